"""The class-image set: reused where it matches, drawn where it lacks, never mixed with anything else."""

from __future__ import annotations

import json
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from runs import make_config, run, start
from tiny import build_tiny_sd

from lorabooth import families
from lorabooth.data.class_images import ClassImageSet, ClassImageSettings, fill, open_set
from lorabooth.errors import InputError
from lorabooth.families import Family
from lorabooth.generation import Sampler
from lorabooth.grid import read_info, save_png
from lorabooth.training.events import ClassImagesEvent, StartedEvent

SETTINGS = ClassImageSettings("a photo of a dog", "base", "0123", Sampler(steps=2, width=32, height=32), "float32", 2)


@pytest.fixture(scope="module")
def family(tiny_sd: Path) -> Family:
    return families.load(str(tiny_sd), dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def drawn(family: Family, tmp_path_factory: pytest.TempPathFactory) -> ClassImageSet:
    """Four pictures; copy them, don't change them."""
    images = open_set(tmp_path_factory.mktemp("set"), SETTINGS, 4)
    assert list(fill(images, lambda: family)) == [(2, 4), (4, 4)]
    return images


@pytest.fixture
def images(drawn: ClassImageSet, tmp_path: Path) -> ClassImageSet:
    shutil.copytree(drawn.folder, tmp_path / drawn.folder.name)
    return open_set(tmp_path, SETTINGS, 4)


def opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.copy()


def nothing() -> Family:
    raise AssertionError("the model was loaded for nothing")


def contents(images: ClassImageSet) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path, _ in images.files()}


def test_a_set_holds_the_number_asked_for(drawn: ClassImageSet) -> None:
    assert [path.name for path, _ in drawn.files()] == [f"{n:06d}.png" for n in range(4)]
    assert len({sha for _, sha in drawn.files()}) == 4
    for path, _ in drawn.files():
        assert opened(path).size == (32, 32)


def test_a_whole_set_is_reused(images: ClassImageSet) -> None:
    before = contents(images)
    assert list(fill(images, nothing)) == []
    assert contents(images) == before


def test_more_are_added_and_fewer_taken(images: ClassImageSet, family: Family, tmp_path: Path) -> None:
    before = contents(images)
    more = open_set(tmp_path, SETTINGS, 7)
    assert list(fill(more, lambda: family)) == [(6, 7), (7, 7)]
    after = contents(more)
    assert {name: after[name] for name in before} == before
    fewer = open_set(tmp_path, SETTINGS, 3)
    assert list(fill(fewer, nothing)) == []
    assert len(fewer.files()) == 3


def test_a_picture_is_the_same_whatever_was_drawn_before_it(images: ClassImageSet, family: Family) -> None:
    before = contents(images)
    for gone in ([1], [0, 3], [2]):
        for number in gone:
            images.path(number).unlink()
        assert list(fill(images, lambda: family))[-1] == (4, 4)
        assert contents(images) == before


def damage(path: Path, how: str) -> None:
    if how == "cut off":
        path.write_bytes(path.read_bytes()[:-40])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "text":
        path.write_text("not a picture")
    elif how == "bits":
        blob = bytearray(path.read_bytes())
        blob[len(blob) // 2] ^= 0xFF
        path.write_bytes(bytes(blob))
    elif how == "blank":
        Image.new("RGB", (32, 32)).save(path)
    elif how == "blank with its text":
        save_png(Image.new("RGB", (32, 32), "grey"), path, read_info(path))
    elif how == "user's photo":
        Image.effect_noise((32, 32), 90).convert("RGB").save(path)
    elif how == "another of the set":
        shutil.copy(path.with_name("000000.png"), path)
    elif how == "folder":
        path.unlink()
        path.mkdir()


HOW = ["cut off", "empty", "text", "bits", "blank", "blank with its text", "user's photo", "another of the set"]


@pytest.mark.parametrize("how", HOW)
def test_what_is_no_picture_of_the_set_is_drawn_again(images: ClassImageSet, family: Family, how: str) -> None:
    before = contents(images)
    damage(images.path(2), how)
    assert images.missing() == [2]
    assert list(fill(images, lambda: family)) == [(4, 4)]
    assert contents(images) == before


def test_foreign_files_are_never_counted_and_never_touched(family: Family, tmp_path: Path, photos: Path) -> None:
    images = open_set(tmp_path, SETTINGS, 4)
    foreign = {".DS_Store": b"\0\0\0\1Bud1", "000000.txt": b"a dog", "notes": b"", "Thumbs.db": b"x"}
    for name, blob in foreign.items():
        (images.folder / name).write_bytes(blob)
    for path in photos.iterdir():
        shutil.copy(path, images.folder)
    assert images.missing() == [0, 1, 2, 3]
    assert list(fill(images, lambda: family))[-1] == (4, 4)
    assert len(images.files()) == 4
    assert all((images.folder / name).read_bytes() == blob for name, blob in foreign.items())
    assert (images.folder / "photo0.png").read_bytes() == (photos / "photo0.png").read_bytes()


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a photo of a cat"},
        {"fingerprint": "4567"},
        {"precision": "bfloat16"},
        {"batch_size": 3},
        {"seed": 1},
        {"sampler": Sampler(steps=3, width=32, height=32)},
        {"sampler": Sampler(steps=2, width=32, height=64)},
        {"sampler": Sampler(steps=2, width=32, height=32, guidance_scale=1)},
        {"sampler": Sampler(steps=2, width=32, height=32, scheduler="ddim")},
    ],
)
def test_other_settings_are_another_set(images: ClassImageSet, tmp_path: Path, change: dict[str, Any]) -> None:
    other = open_set(tmp_path, replace(SETTINGS, **change), 4)
    assert other.folder != images.folder
    assert other.missing() == [0, 1, 2, 3]
    assert images.missing() == []


def test_where_the_model_lies_does_not_matter(images: ClassImageSet, tmp_path: Path) -> None:
    assert open_set(tmp_path, replace(SETTINGS, base="elsewhere"), 4).folder == images.folder


def test_a_set_says_what_it_was_made_with(images: ClassImageSet) -> None:
    record = json.loads((images.folder / "set.json").read_text())
    assert record["prompt"] == "a photo of a dog"
    assert record["sampler"]["steps"] == 2
    assert record["seed"] == 0
    assert images.folder.name.startswith("a-photo-of-a-dog-")


@pytest.mark.parametrize("text", ["{}", "half wri", '{"prompt": "a cat"}'])
def test_a_folder_of_other_settings_is_refused(images: ClassImageSet, tmp_path: Path, text: str) -> None:
    (images.folder / "set.json").write_text(text)
    with pytest.raises(InputError, match="made with other settings"):
        open_set(tmp_path, SETTINGS, 4)


def test_a_model_that_draws_blanks_is_an_error(tiny_sd: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    broken = Path(shutil.copytree(tiny_sd, tmp_path / "model"))
    vae = AutoencoderKL.from_pretrained(broken / "vae")
    vae.decoder.conv_out.weight.data.zero_()
    vae.save_pretrained(broken / "vae")
    family = families.load(str(broken), dtype=torch.float32, device=torch.device("cpu"))
    with pytest.raises(InputError, match=r"2 of 2 class images .* came out blank"):
        list(fill(open_set(tmp_path / "sets", SETTINGS, 2), lambda: family))


def test_names_of_odd_prompts(tmp_path: Path) -> None:
    for prompt in ("../../etc/passwd", "eine Katze, größer als / ein Haus", "猫" * 200, "..."):
        folder = open_set(tmp_path, replace(SETTINGS, prompt=prompt), 1).folder
        assert folder.parent == tmp_path
        assert folder.is_dir()


# --- in a run


def class_events(config: Any) -> list[tuple[int, int]]:
    return [(e.ready, e.wanted) for e in run(config).events if isinstance(e, ClassImagesEvent)]


def test_runs_share_a_set(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    def config(name: str, base: Path = tiny_sd, **options: Any) -> Any:
        options = {"prior__weight": 1, "training__steps": 1, "prior__folder": str(tmp_path / "sets"), **options}
        return make_config(base, photos, tmp_path / name, **options)

    assert class_events(config("first")) == [(2, 2)]
    assert class_events(config("again")) == []
    assert class_events(config("more", prior__images=3)) == [(3, 3)]
    assert class_events(config("weight", prior__weight=0.3, lora__rank=4, training__seed=5)) == []
    assert class_events(config("prompt", prior__prompt="a drawing of a dog")) == [(2, 2)]
    assert class_events(config("size", training__resolution=16)) == [(2, 2)]
    assert class_events(config("steps", prior__steps=3)) == [(2, 2)]
    other = build_tiny_sd(tmp_path / "base", seed=1)
    assert class_events(config("other-base", other)) == [(2, 2)]
    other_vae = Path(shutil.copytree(tiny_sd, tmp_path / "vae"))
    shutil.rmtree(other_vae / "vae")
    shutil.copytree(other / "vae", other_vae / "vae")
    assert class_events(config("autoencoder", other_vae)) == [(2, 2)]
    assert len(list((tmp_path / "sets").iterdir())) == 6


def test_prior_and_instance_loss_are_told_apart(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trained = run(make_config(tiny_sd, photos, tmp_path / "run", prior__weight=0.25, training__steps=3))
    for step in trained.steps:
        assert step.prior_loss > 0
        assert step.loss == pytest.approx(step.instance_loss + 0.25 * step.prior_loss, rel=1e-6)
        assert step.prior_loss != step.instance_loss
    assert [e.class_images for e in trained.events if isinstance(e, StartedEvent)] == [2]


def test_weight_0_is_off_to_the_bit_and_draws_nothing(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    def train(name: str, **options: Any) -> Any:
        folder = str(tmp_path / "sets")
        return run(make_config(tiny_sd, photos, tmp_path / name, prior__folder=folder, lora__dropout=0.2, **options))

    zero = train("zero", prior__weight=0, prior__images=4)
    assert not (tmp_path / "sets").exists()
    off = train("off", prior__weight=0, prior__images=0)
    with_prior = train("with", prior__weight=1)
    assert [s.loss for s in zero.steps] == [s.loss for s in off.steps]
    assert all(s.prior_loss == 0 for s in zero.steps)
    assert all(zero.weights[name].equal(off.weights[name]) for name in zero.weights)
    assert any(not zero.weights[name].equal(with_prior.weights[name]) for name in zero.weights)
    assert with_prior.steps[0].instance_loss == pytest.approx(zero.steps[0].loss, rel=1e-5)


KILLED = """
import sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_class_images import SETTINGS, fill, open_set
from lorabooth import families
family = families.load({base!r}, dtype=torch.float32, device=torch.device("cpu"))
list(fill(open_set(Path({root!r}), SETTINGS, 60), lambda: family))
"""


@pytest.mark.slow
def test_killed_while_drawing(tiny_sd: Path, family: Family, drawn: ClassImageSet, tmp_path: Path) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent), base=str(tiny_sd), root=str(tmp_path))
    process = start(sys.executable, "-c", script)
    folder = tmp_path / drawn.folder.name
    while not (folder / "000003.png").exists():
        assert process.poll() is None, process.communicate()[0]
        time.sleep(0.002)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    left = sorted(path.name for path in folder.glob("0*.png"))
    assert 4 <= len(left) < 60
    images = open_set(tmp_path, SETTINGS, len(left) + 1)
    before = {name: (folder / name).read_bytes() for name in left}
    events = list(fill(images, lambda: family))
    assert events[-1] == (len(left) + 1, len(left) + 1)
    assert len(events) == 1
    after = contents(images)
    assert {name: after[name] for name in before} == before
    assert {name: after[name] for name in contents(drawn)} == contents(drawn)


def test_what_a_random_model_draws_is_not_blank(images: ClassImageSet) -> None:
    values = np.asarray(opened(images.path(0)).convert("L"), dtype=np.float32)
    assert values.std() > 4
