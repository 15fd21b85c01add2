"""Encoded once, keyed by content: the cache changes the time a run takes and nothing else."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from runs import Trained, assert_same_weights, make_config, make_photos, run
from torch import Tensor

from lorabooth import families
from lorabooth.data.cache import Encoder, Store, digest
from lorabooth.data.dataset import Draw, Example
from lorabooth.data.photos import Augmentation
from lorabooth.families import Family

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "class images": {"prior__weight": 1.0},
    "flip and random crop": {"subject__crop": "random", "subject__flip": True},
    "captions": {"subject__captions": "txt", "subject__crop": "random", "subject__flip": True},
    "captions and text encoder": {"subject__captions": "txt", "lora__text_encoder": True, "lora__dropout": 0.2},
    "bf16": {"training__precision": "bf16"},
}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache for one test."""
    monkeypatch.setenv("LORABOOTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def captioned(tmp_path: Path) -> Path:
    folder = make_photos(tmp_path / "captioned", count=4)
    for number, path in enumerate(sorted(folder.glob("*.png"))):
        path.with_suffix(".txt").write_text(f"a [identifier] dog number {number} on a sofa {'and a hat' * number}")
    return folder


@pytest.fixture(scope="module")
def family(tiny_sd: Path) -> Family:
    return families.load(str(tiny_sd), dtype=torch.float32, device=torch.device("cpu"))


def cached_files(cache: Path) -> list[Path]:
    return sorted((cache / "encoded").rglob("*.tensors"))


@pytest.mark.parametrize("case", CASES)
def test_runs_with_and_without_caches_end_in_the_same_weights(
    tiny_sd: Path, photos: Path, captioned: Path, tmp_path: Path, cache: Path, case: str
) -> None:
    options = {"training__steps": 4, "training__batch_size": 2, **CASES[case]}
    if options.get("training__precision") == "bf16" and not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this CPU has no bf16")
    source = captioned if "captions" in case else photos

    def train(name: str, *, cached: bool) -> Trained:
        return run(make_config(tiny_sd, source, tmp_path / name, training__cache=cached, **options))

    without = train("without", cached=False)
    assert not cached_files(cache)
    cold = train("cold", cached=True)
    written = cached_files(cache)
    assert written
    warm = train("warm", cached=True)
    assert cached_files(cache) == written
    assert cold.lora == warm.lora
    assert_same_weights(without.weights, cold.weights)
    assert [s.loss for s in without.steps] == [s.loss for s in cold.steps] == [s.loss for s in warm.steps]


def test_each_photo_is_trained_on_its_own_caption(tiny_sd: Path, captioned: Path, tmp_path: Path, cache: Path) -> None:
    """Exchanging two captions gives another LoRA, and exchanging the photos too gives the first again."""
    options: dict[str, Any] = {"subject__captions": "txt", "training__steps": 4}

    def train(name: str, folder: Path) -> Trained:
        return run(make_config(tiny_sd, folder, tmp_path / name, **options))

    def exchanged(name: str, suffix: str, folder: Path) -> Path:
        copy = Path(shutil.copytree(folder, tmp_path / f"{name}-photos"))
        for one, two in ((0, 1), (1, 0)):
            shutil.copy(folder / f"photo{one}{suffix}", copy / f"photo{two}{suffix}")
        return copy

    first = train("first", captioned)
    other_captions = exchanged("captions", ".txt", captioned)
    second = train("second", other_captions)
    assert first.lora != second.lora
    both = train("both", exchanged("both", ".png", other_captions))
    assert {s.loss for s in both.steps} != {s.loss for s in second.steps}
    pairs = [{(d.example.key, d.example.prompt) for d in drawn(t, tiny_sd)} for t in (first, second, both)]
    assert pairs[0] == pairs[2] != pairs[1]


def drawn(trained: Trained, base: Path) -> Iterator[Draw]:
    """What a run's stream holds."""
    from lorabooth.data.dataset import DreamBoothDataset
    from lorabooth.training.setup import read_subject

    assert trained.folder.config().model.base == str(base)
    stream = DreamBoothDataset(read_subject(trained.folder.config()).examples(), [], 0)
    return (stream.draw(p, "instance") for p in range(4))


def photo(path: Path) -> Example:
    import hashlib

    return Example(hashlib.sha256(path.read_bytes()).hexdigest(), "a photo of sks dog", lambda: Image.open(path))


def draw(example: Example, position: int = 0, **spot: Any) -> Draw:
    return Draw(position, "instance", example, Augmentation(**spot))


def test_latents_are_samples_of_the_posterior(family: Family, photos: Path) -> None:
    encoder = Encoder(family, 32, Store(None), seed=0)
    example = photo(photos / "photo0.png")
    posterior = encoder.posterior(draw(example))
    samples = torch.cat([encoder.latents([draw(example, position)]) for position in range(400)])
    assert (posterior.deviation > 0).all()
    standard = (samples - posterior.mean) / posterior.deviation
    assert abs(standard.mean()) < 0.02
    assert abs(standard.std() - 1) < 0.02
    assert not samples[0].equal(samples[1])
    assert encoder.latents([draw(example, 7)]).equal(samples[7:8])


def test_latents_equal_those_of_diffusers(family: Family, photos: Path) -> None:
    from diffusers import AutoencoderKL

    from lorabooth.data.photos import resize_and_crop, to_pixels

    vae = AutoencoderKL.from_pretrained(family.source.path, subfolder="vae")
    path = photos / "photo1.png"
    posterior = Encoder(family, 32, Store(None), seed=0).posterior(draw(photo(path), window=(0.0, 1.0), flip=True))
    pixels = to_pixels(resize_and_crop(Image.open(path), 32, (0.0, 1.0), flip=True))[None]
    with torch.no_grad():
        expected = vae.encode(pixels).latent_dist
    torch.testing.assert_close(posterior.mean, expected.mean * vae.config.scaling_factor)
    torch.testing.assert_close(posterior.deviation, expected.std * vae.config.scaling_factor)


def test_a_batch_is_encoded_like_its_parts(family: Family, photos: Path) -> None:
    encoder = Encoder(family, 32, Store(None), seed=0)
    draws = [draw(photo(photos / f"photo{n}.png"), n) for n in range(3)]
    together, apart = encoder.latents(draws), torch.cat([encoder.latents([d]) for d in draws])
    assert together.equal(apart)
    assert encoder.text(draws).hidden.equal(torch.cat([encoder.text([d]).hidden for d in draws]))


class Counted:
    """How often something was made."""

    def __init__(self, value: Tensor) -> None:
        self.value, self.count = value, 0

    def __call__(self) -> dict[str, Tensor]:
        self.count += 1
        return {"value": self.value}


def test_a_store_makes_each_thing_once(tmp_path: Path) -> None:
    made = Counted(torch.arange(6.0).view(2, 3))
    for store in (Store(tmp_path), Store(tmp_path)):
        for _ in range(2):
            assert store.get("abcd", made)["value"].equal(made.value)
    assert made.count == 1
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["abcd.tensors"]


@pytest.mark.parametrize(
    "damage",
    [lambda b: b"", lambda b: b[:-1], lambda b: b[:40], lambda b: b[:-3] + b"\xff" + b[-2:], lambda b: b"\0" * len(b)],
    ids=["empty", "cut off", "header cut off", "one byte wrong", "zeros"],
)
def test_a_damaged_file_is_made_again(tmp_path: Path, damage: Any) -> None:
    made = Counted(torch.arange(6.0))
    Store(tmp_path).get("abcd", made)
    (file,) = tmp_path.rglob("*.tensors")
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    assert Store(tmp_path).get("abcd", made)["value"].equal(made.value)
    assert made.count == 2
    assert file.read_bytes() == whole


def test_a_cache_that_can_not_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    store = Store(tmp_path / "file")
    made = Counted(torch.ones(2))
    assert store.get("abcd", made)["value"].equal(made.value)
    assert store.get("efgh", made)["value"].equal(made.value)
    assert made.count == 2


def test_keys_follow_content(family: Family, tiny_sd: Path, tmp_path: Path) -> None:
    """Other bytes, size, window, flip or model: another file; another name or position: the same."""
    paths = sorted(make_photos(tmp_path / "photos", count=2).iterdir())
    renamed = Path(shutil.copy(paths[0], tmp_path / "renamed.png"))
    other_model = Path(shutil.copytree(tiny_sd, tmp_path / "model"))
    from diffusers import AutoencoderKL

    vae = AutoencoderKL.from_pretrained(other_model / "vae")
    vae.encoder.conv_in.weight.data += 0.1
    vae.save_pretrained(other_model / "vae")
    other = families.load(str(other_model), dtype=torch.float32, device=torch.device("cpu"))

    def files(*draws: Draw, size: int = 32, family: Family = family) -> int:
        encoder = Encoder(family, size, Store(tmp_path / "store"), seed=0, live_text=True)
        encoder.warm(draws)
        return len(list((tmp_path / "store").rglob("*.tensors")))

    one, two = photo(paths[0]), photo(paths[1])
    assert files(draw(one)) == 1
    assert files(draw(one, 17), draw(photo(renamed))) == 1
    assert files(draw(two)) == 2
    assert files(draw(one), size=48) == 3
    assert files(draw(one, window=(0.0, 0.5))) == 4
    assert files(draw(one, flip=True)) == 5
    assert files(draw(one), family=other) == 6


def test_digests_tell_parts_apart() -> None:
    assert digest("ab", "c") != digest("a", "bc")
    assert digest(1, (0.5, 0.5)) != digest(1, (0.5, 1.0))


def test_encoders_are_freed_where_they_are_not_trained(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    from lorabooth.data.dataset import DreamBoothDataset
    from lorabooth.training.engine import Engine
    from lorabooth.training.setup import encode, load_family, read_subject

    for text_encoder in (False, True):
        config = make_config(tiny_sd, photos, tmp_path / "run", lora__text_encoder=text_encoder)
        family: Any = load_family(config, Engine("fp32"))
        assert family.text_encoders
        encode(config, family, DreamBoothDataset(read_subject(config).examples(), [], 0))
        assert family._autoencoder is None
        assert (family._text_encoder is not None) == text_encoder
