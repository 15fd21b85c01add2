"""The adapter inside a model, and its file in plain diffusers: the same pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from PIL import Image
from runs import Trained, assert_same_weights, make_config, make_photos, run
from safetensors.torch import load_file, save_file
from tiny import build_tiny_sd
from torch import Tensor

from lorabooth import families
from lorabooth.api import Adapted, draw_column
from lorabooth.errors import InputError
from lorabooth.families import Family
from lorabooth.generation import Request, Sampler, generate, requests
from lorabooth.lora.adapter import Adapter, attach
from lorabooth.lora.file import LoraFacts, check_fits, read_lora, write_lora
from lorabooth.training.engine import Engine
from lorabooth.training.setup import attach_adapter, load_family

SAMPLER = Sampler(steps=3, scheduler="ddim", width=32, height=32, guidance_scale=3)
WANTED = requests(["a photo of sks dog", "a cat"], [0, 5])


def load(base: Path) -> Family:
    return families.load(str(base), dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture
def family(tiny_sd: Path) -> Family:
    return load(tiny_sd)


def attached(family: Family, *, text: bool = True, targets: str = "attention", **options: Any) -> Adapter:
    modules: dict[str, Any] = {"denoiser": family.denoiser}
    names = {
        "denoiser": tuple(family.lora_targets[targets]),
        "text_encoder": tuple(family.lora_targets["text_encoder"]),
    }
    if text:
        modules["text_encoder"] = family.text_encoders["text_encoder"]
    settings: dict[str, Any] = {"ranks": {"denoiser": 4, "text_encoder": 3}, "alpha": None, "dropout": 0.0}
    return attach(modules, names, **{**settings, "init": "default", "seed": 0, **options})


def predicted(family: Family) -> Tensor:
    random = torch.Generator().manual_seed(0)
    noisy = torch.randn(2, 4, 8, 8, generator=random)
    with torch.no_grad():
        return family.predict(noisy, torch.tensor([10, 900]), family.encode_prompts(["a dog", "sks"]))


def stir(adapter: Adapter, size: float = 0.05) -> None:
    """Random weights in place of an adapter's, as if it had been trained."""
    random = torch.Generator().manual_seed(1)
    adapter.load({k: torch.randn(v.shape, generator=random) * size for k, v in sorted(adapter.state().items())})


@pytest.mark.parametrize("init", ["default", "gaussian"])
@pytest.mark.parametrize("targets", ["attention", "all-linear", "all-linear-conv"])
def test_at_initialisation_nothing_changes(family: Family, init: Any, targets: str) -> None:
    before = predicted(family)
    adapter = attached(family, init=init, targets=targets)
    assert predicted(family).equal(before)
    stir(adapter)
    changed = predicted(family)
    assert not changed.equal(before)
    adapter.scale(0)
    assert predicted(family).equal(before)
    adapter.scale(1)
    assert predicted(family).equal(changed)


def test_only_the_adapter_is_trained(family: Family) -> None:
    adapter = attached(family)
    assert all(p.dtype is torch.float32 for part in adapter.modules for p in adapter.parameters(part))
    for part, module in adapter.modules.items():
        trained = {name for name, p in module.named_parameters() if p.requires_grad}
        assert trained
        assert all("lora_" in name for name in trained)
        assert len(trained) == len(adapter.parameters(part))


def test_the_start_is_decided_by_the_seed(tiny_sd: Path) -> None:
    def start(seed: int, **options: Any) -> dict[str, Tensor]:
        torch.rand(seed + 1)
        return attached(load(tiny_sd), seed=seed, **options).state()

    assert_same_weights(start(0), start(0))
    one, other = start(0), start(1)
    assert not any(one[k].equal(other[k]) for k in one if "lora_A" in k)
    gaussian = start(0, init="gaussian")
    name = next(k for k in gaussian if "lora_A" in k and "unet" in k)
    assert gaussian[name].std() == pytest.approx(1 / 4, rel=0.3)
    assert all(v.count_nonzero() == 0 for k, v in gaussian.items() if "lora_B" in k)


def test_alpha_and_rank_are_the_scale(tiny_sd: Path) -> None:
    """ΔW = (alpha / rank)·B·A, by hand on one layer."""
    family = load(tiny_sd)
    layer = family.denoiser.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q
    x = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    base = layer(x)
    adapter = attached(family, alpha=10)
    stir(adapter)
    name = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q.lora_{}.weight"
    a, b = (adapter.state()[name.format(letter)] for letter in "AB")
    assert a.shape == (4, 32)
    adapted = family.denoiser.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q(x)
    torch.testing.assert_close(adapted, base + 10 / 4 * x @ a.T @ b.T)
    adapter.scale(0.5)
    adapted = family.denoiser.down_blocks[0].attentions[0].transformer_blocks[0].attn1.to_q(x)
    torch.testing.assert_close(adapted, base + 0.5 * 10 / 4 * x @ a.T @ b.T)


def test_state_is_a_copy_and_load_puts_it_back(family: Family) -> None:
    adapter = attached(family)
    stir(adapter)
    kept, looks = adapter.state(), predicted(family)
    stir(adapter, 0.5)
    assert not predicted(family).equal(looks)
    adapter.load(kept)
    assert predicted(family).equal(looks)
    assert_same_weights(adapter.state(), kept)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_weights_of_another_shape_are_refused(family: Family, change: str) -> None:
    adapter = attached(family)
    state = adapter.state()
    name = next(iter(state))
    if change == "missing":
        del state[name]
    elif change == "extra":
        state["unet.nowhere.lora_A.weight"] = torch.zeros(1)
    else:
        state[name] = state[name][:1]
    with pytest.raises(InputError, match=r"does not fit .* 1 tensors differ"):
        adapter.load(state)


def test_names_that_no_layer_bears(family: Family) -> None:
    with pytest.raises(InputError, match="None of the layers nowhere is in the denoiser"):
        attach(
            {"denoiser": family.denoiser},
            {"denoiser": ("nowhere",)},
            ranks={"denoiser": 2},
            alpha=None,
            dropout=0,
            init="default",
            seed=0,
        )


# --- learning


def test_loss_falls_and_weights_change(tiny_sd: Path, tmp_path: Path) -> None:
    """One photo and a big rate: the model learns it by heart."""
    photos = make_photos(tmp_path / "photos", count=1)
    options: dict[str, Any] = {"training__steps": 24, "training__batch_size": 2, "lora__targets": "all-linear-conv"}
    options |= {"lora__rank": 8, "optimizer__learning_rate": 1e-2, "output__checkpoint_every": 1000}
    trained = run(make_config(tiny_sd, photos, tmp_path / "run", **options))
    losses = [s.loss for s in trained.steps]
    first, last = np.mean(losses[:4]), np.mean(losses[-4:])
    assert last < 0.6 * first
    moved = [v.abs().max() for k, v in trained.weights.items() if "lora_B" in k]
    assert all(m > 0 for m in moved)


def test_the_text_encoder_learns_with_a_rate_of_its_own(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    def train(name: str, **options: Any) -> dict[str, Tensor]:
        return run(make_config(tiny_sd, photos, tmp_path / name, lora__text_encoder=True, **options)).weights

    slow, fast = train("slow", optimizer__text_encoder_learning_rate=1e-5), train("fast")
    for part, factor in (("unet", 1), ("text_encoder", 100)):
        sizes = [
            sum(v.abs().sum() for k, v in w.items() if k.startswith(f"{part}.") and "lora_B" in k) for w in (slow, fast)
        ]
        assert 0 < factor * sizes[0] < 4 * sizes[1]
    still = {k for k, v in slow.items() if "lora_B" in k and v.count_nonzero() == 0}
    assert not still


# --- the file

FILE_CASES: dict[str, dict[str, Any]] = {
    "attention": {},
    "all-linear, alpha": {"lora__targets": "all-linear", "lora__alpha": 0.5},
    "all-linear-conv, text encoder, alpha": {
        "lora__targets": "all-linear-conv",
        "lora__text_encoder": True,
        "lora__text_encoder_rank": 3,
        "lora__alpha": 6.0,
    },
}


def pictures_of(base: Path, lora: Path | None) -> list[Image.Image]:
    """By diffusers and nothing of ours."""
    pipeline = StableDiffusionPipeline.from_pretrained(base)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
    if lora:
        pipeline.load_lora_weights(lora.parent, weight_name=lora.name)
    found: list[Image.Image] = []
    for wanted in WANTED:
        found += pipeline(
            wanted.prompt,
            num_inference_steps=3,
            guidance_scale=3.0,
            width=32,
            height=32,
            generator=torch.Generator().manual_seed(wanted.seed),
        ).images
    return found


def assert_same_pictures(ours: list[Image.Image], theirs: list[Image.Image], tolerance: int = 1) -> None:
    assert len(ours) == len(theirs)
    for one, two in zip(ours, theirs, strict=True):
        assert np.abs(np.asarray(one, dtype=int) - np.asarray(two, dtype=int)).max() <= tolerance


@pytest.fixture
def no_warnings(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """diffusers says by its logger which keys of a LoRA it could not place."""
    import logging

    from diffusers.utils import logging as said

    said.enable_propagation()
    with caplog.at_level(logging.WARNING):
        yield
    said.disable_propagation()
    assert not [r.getMessage() for r in caplog.records if r.name.startswith("diffusers.loaders")]


@pytest.mark.parametrize("case", FILE_CASES)
@pytest.mark.usefixtures("no_warnings")
def test_plain_diffusers_draws_what_we_draw(tiny_sd: Path, photos: Path, tmp_path: Path, case: str) -> None:
    config = make_config(tiny_sd, photos, tmp_path / "run", **FILE_CASES[case], optimizer__learning_rate=0.05)
    trained = run(config)
    family = load_family(config, Engine("fp32"))
    adapter = attach_adapter(config, family)
    adapter.load(trained.weights)
    in_memory = list(generate(family, WANTED, SAMPLER))
    by_diffusers = pictures_of(tiny_sd, trained.folder.lora)
    assert_same_pictures(in_memory, by_diffusers)
    base = pictures_of(tiny_sd, None)
    assert (
        max(np.abs(np.asarray(a, int) - np.asarray(b, int)).max() for a, b in zip(base, by_diffusers, strict=True)) > 8
    )
    assert_same_pictures(
        draw_column(load(tiny_sd), Adapted("lora", trained.folder.lora), WANTED, SAMPLER), by_diffusers
    )


def test_a_v_prediction_model_of_sd2(tiny_sd2: Path, photos: Path, tmp_path: Path) -> None:
    trained = run(make_config(tiny_sd2, photos, tmp_path / "run", lora__targets="all-linear", lora__text_encoder=True))
    ours = draw_column(load(tiny_sd2), Adapted("lora", trained.folder.lora), WANTED, SAMPLER)
    assert_same_pictures(ours, pictures_of(tiny_sd2, trained.folder.lora))


@pytest.fixture(scope="module")
def trained(tiny_sd: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("lora")
    return run(make_config(tiny_sd, photos, folder / "run", lora__text_encoder=True, lora__alpha=6.0, prior__weight=1))


def test_scale_0_is_the_base_and_the_family_is_left_as_it_was(trained: Trained, tiny_sd: Path) -> None:
    family = load(tiny_sd)
    lora = trained.folder.lora
    base = list(generate(family, WANTED, SAMPLER))
    full, half, none = (draw_column(family, Adapted("", lora, scale), WANTED, SAMPLER) for scale in (1, 0.5, 0))
    assert_same_pictures(none, base, 0)
    assert_same_pictures(list(generate(family, WANTED, SAMPLER)), base, 0)
    assert len({np.asarray(p[0]).tobytes() for p in (base, half, full)}) == 3


def test_the_same_training_writes_the_same_file(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"lora__text_encoder": True, "lora__alpha": 6.0, "prior__weight": 1}
    assert run(make_config(tiny_sd, photos, tmp_path / "elsewhere", **options)).lora == trained.lora
    moved = make_photos(tmp_path / "moved")
    assert run(make_config(tiny_sd, moved, tmp_path / "moved-run", **options)).lora == trained.lora
    other = run(make_config(tiny_sd, photos, tmp_path / "seed", training__seed=1, **options))
    assert not any(other.weights[k].equal(v) for k, v in trained.weights.items())


def metadata(path: Path) -> dict[str, str]:
    with safetensors.safe_open(path, "pt") as file:
        return dict(file.metadata())


def test_what_the_file_says_of_itself(trained: Trained) -> None:
    said = metadata(trained.folder.lora)
    assert set(said) == {"format", "lora_adapter_metadata", "lorabooth"}
    theirs = json.loads(said["lora_adapter_metadata"])
    assert (theirs["unet.r"], theirs["unet.lora_alpha"], theirs["text_encoder.r"]) == (2, 6.0, 2)
    assert theirs["unet.target_modules"] == ["to_k", "to_out.0", "to_q", "to_v"]
    ours = json.loads(said["lorabooth"])
    assert (ours["identifier"], ours["class_noun"], ours["prompt"]) == ("sks", "dog", "a photo of a sks dog")
    assert ours["config"]["training"]["steps"] == ours["step"] == 4
    _, facts = read_lora(trained.folder.lora)
    assert facts == LoraFacts(**ours)


def test_the_file_holds_nothing_private(trained: Trained, tiny_sd: Path, photos: Path) -> None:
    blob = trained.lora
    private = [
        str(photos),
        photos.name + "/",
        "photo0",
        str(tiny_sd),
        str(trained.folder.path),
        "/tmp",
        str(Path.home()),
    ]
    assert not [word for word in private if word.encode() in blob]
    assert json.loads(metadata(trained.folder.lora)["lorabooth"])["base"] == tiny_sd.name


def test_checkpoints_are_lora_files_too(trained: Trained, tiny_sd: Path) -> None:
    path = trained.folder.checkpoints / "step-000002" / "lora.safetensors"
    _, facts = read_lora(path)
    assert facts is not None
    assert facts.step == 2
    assert_same_pictures(draw_column(load(tiny_sd), Adapted("", path), WANTED, SAMPLER), pictures_of(tiny_sd, path))


def test_a_lora_of_another_base_is_refused(trained: Trained, tiny_sd2: Path, tmp_path: Path) -> None:
    other = load(build_tiny_sd(tmp_path / "other", seed=1))
    with pytest.raises(InputError, match=r"was trained on sd1 .*other is another model"):
        draw_column(other, Adapted("", trained.folder.lora), WANTED, SAMPLER)
    foreign = tmp_path / "foreign.safetensors"
    save_file(load_file(trained.folder.lora), foreign)
    family = load(tiny_sd2)
    before = predicted(family)
    shape = {name: torch.zeros(2, 7) for name in trained.weights}
    save_file(shape, foreign)
    with pytest.raises(InputError, match="does not load on"):
        draw_column(family, Adapted("", foreign), WANTED, SAMPLER)
    assert predicted(family).equal(before)


def test_files_that_are_no_lora(tmp_path: Path, trained: Trained) -> None:
    with pytest.raises(InputError, match="There is no LoRA file"):
        read_lora(tmp_path / "missing.safetensors")
    for name, blob in (("empty", b""), ("text", b"hello" * 99), ("cut", trained.lora[:-100])):
        path = tmp_path / f"{name}.safetensors"
        path.write_bytes(blob)
        with pytest.raises(InputError, match="is no whole safetensors file"):
            read_lora(path)


def test_files_of_other_versions(tmp_path: Path, trained: Trained) -> None:
    """Facts that this version does not know are passed over; facts that lack something are no facts."""
    said = metadata(trained.folder.lora)
    ours = json.loads(said["lorabooth"])
    for facts, known in (({**ours, "rating": 5}, True), ({"identifier": "sks"}, False), ([], False)):
        path = tmp_path / "lora.safetensors"
        save_file(trained.weights, path, {**said, "lorabooth": json.dumps(facts)})
        assert (read_lora(path)[1] is not None) == known


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    facts = LoraFacts("sks", "dog", "a photo of sks dog", "base", "0123", 1, "0", {"b": 1, "a": 2})
    state = {f"unet.{n}.lora_A.weight": torch.full((2, 2), float(n)) for n in range(30)}
    paths = [tmp_path / f"{n}.safetensors" for n in range(8)]
    for number, path in enumerate(paths):
        write_lora(path, dict(sorted(state.items(), reverse=bool(number % 2))), {"unet.r": 2, "a": 1}, facts)
    assert len({path.read_bytes() for path in paths}) == 1
    assert_same_weights(read_lora(paths[0])[0], state)
    check_fits(facts, "other name, same model", "0123", paths[0])
    check_fits(None, "base", "4567", paths[0])
    with pytest.raises(InputError):
        check_fits(replace(facts, base_fingerprint="89"), "base", "0123", paths[0])


def test_dropout_only_while_training(family: Family) -> None:
    adapter = attached(family, dropout=0.5)
    stir(adapter)
    for module in adapter.modules.values():
        module.eval()
    assert predicted(family).equal(predicted(family))
    for module in adapter.modules.values():
        module.train()
    assert not predicted(family).equal(predicted(family))


def test_requests_are_prompts_times_seeds() -> None:
    assert requests(["a", "b"], [1, 2]) == [Request("a", 1), Request("a", 2), Request("b", 1), Request("b", 2)]
