"""Prompts × seeds × LoRA files × scales → pictures and a grid that can be drawn again."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from runs import Trained, make_config, run
from torch import Tensor

from lorabooth import families
from lorabooth.api import Adapted, GridPlan, generate, load_plan, plan_for_run
from lorabooth.errors import InputError
from lorabooth.families import Family
from lorabooth.generation import SCHEDULERS, Request, Sampler, check_size, scheduler_for
from lorabooth.generation import generate as draw
from lorabooth.grid import read_info
from lorabooth.training.folder import RunFolder

QUICK = Sampler(steps=2, width=32, height=32, guidance_scale=3)


@pytest.fixture(scope="module")
def family(tiny_sd: Path) -> Family:
    return families.load(str(tiny_sd), dtype=torch.float32, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def trained(tiny_sd: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    config = make_config(tiny_sd, photos, tmp_path_factory.mktemp("run") / "run", optimizer__learning_rate=0.05)
    return run(config)


def pixels(image: Image.Image) -> np.ndarray[Any, Any]:
    return np.asarray(image, dtype=int)


def test_the_same_seed_starts_every_prompt_from_the_same_noise(family: Family) -> None:
    starts: list[Tensor] = []
    hook = family.denoiser.register_forward_pre_hook(lambda _, given: starts.append(given[0].clone()))
    wanted = [Request("a dog", 5), Request("a cat in a hat", 5), Request("a dog", 6)]
    list(draw(family, wanted, replace(QUICK, steps=1)))
    hook.remove()
    unconditional, conditional = starts[0].chunk(2)
    assert unconditional.equal(conditional)
    assert conditional[0].equal(conditional[1])
    assert not conditional[0].equal(conditional[2])
    expected = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(conditional[:1] / conditional[:1].std(), expected / expected.std())


def test_a_picture_does_not_depend_on_its_neighbours(family: Family) -> None:
    wanted = [Request(prompt, seed) for prompt in ("a dog", "a cat") for seed in range(3)]
    one, four = (list(draw(family, wanted, QUICK, batch)) for batch in (1, 4))
    assert len(four) == 6
    for alone, together in zip(one, four, strict=True):
        assert abs(pixels(alone) - pixels(together)).max() <= 1


WITH_SCIPY = pytest.mark.skipif(find_spec("scipy") is None, reason="diffusers needs scipy for it")
DRAWABLE = [pytest.param(name, marks=WITH_SCIPY if name == "lms" else ()) for name in SCHEDULERS]


@pytest.mark.parametrize("name", DRAWABLE)
def test_every_scheduler_draws_the_same_again(family: Family, name: str) -> None:
    sampler = replace(QUICK, scheduler=name, steps=4)
    torch.manual_seed(1)
    first = next(draw(family, [Request("a dog", 0)], sampler))
    torch.manual_seed(2)
    again = next(draw(family, [Request("a dog", 0)], sampler))
    assert (pixels(first) == pixels(again)).all()
    assert pixels(first).std() > 2
    assert family.pipeline().scheduler.__class__.__name__ == "DDIMScheduler"


@pytest.mark.parametrize("name", DRAWABLE)
def test_schedulers_keep_the_forward_process_of_the_base(tiny_sd2: Path, name: str) -> None:
    family: Any = families.load(str(tiny_sd2), dtype=torch.float32, device=torch.device("cpu"))
    scheduler = scheduler_for(name, family.scheduler.config)
    assert scheduler.config.prediction_type == "v_prediction"
    assert scheduler.config.beta_schedule == "scaled_linear"
    assert scheduler.config.beta_end == 0.012


@pytest.mark.skipif(find_spec("scipy") is not None, reason="scipy is there")
def test_a_scheduler_without_its_package(family: Family) -> None:
    with pytest.raises(InputError, match="lms needs scipy"):
        next(draw(family, [Request("a", 0)], replace(QUICK, scheduler="lms")))


def test_an_unknown_scheduler(family: Family) -> None:
    with pytest.raises(InputError, match=r"no scheduler 'magic'; known are dpmsolver\+\+, ddim"):
        next(draw(family, [Request("a", 0)], replace(QUICK, scheduler="magic")))


def test_guidance_and_negative_prompt(family: Family) -> None:
    def drawn(**options: Any) -> bytes:
        return next(draw(family, [Request("a dog", 0)], replace(QUICK, **options))).tobytes()

    assert drawn() != drawn(negative_prompt="a cat")
    assert drawn() != drawn(guidance_scale=1)
    assert drawn(guidance_scale=1) == drawn(guidance_scale=0, negative_prompt="a cat")


def test_sizes(family: Family) -> None:
    wide = next(draw(family, [Request("a dog", 0)], replace(QUICK, width=48, height=16)))
    assert wide.size == (48, 16)
    with pytest.raises(InputError, match=r"33 × 32 .* multiples of 8") as caught:
        check_size(family, 33, 32)
    assert caught.value.hint == "The nearest size is 32 × 32."
    with pytest.raises(InputError, match="multiples of 8"):
        check_size(family, 4, 8)


def test_the_family_is_left_without_gradients_and_with_its_mode(family: Family) -> None:
    assert torch.is_grad_enabled()
    stream = draw(family, [Request("a", 0), Request("b", 0)], QUICK, 1)
    next(stream)
    assert torch.is_grad_enabled()
    list(stream)
    assert torch.is_grad_enabled()


# --- grids


def quick_plan(trained: Trained, checkpoints: list[str], scales: list[float], **options: Any) -> GridPlan:
    settings: dict[str, Any] = {"prompts": ("a photo of sks dog", "a sks dog at sea"), "steps": 2, **options}
    return plan_for_run(trained.folder.path, checkpoints, scales, **settings)


def test_columns_are_checkpoints_times_scales(trained: Trained) -> None:
    plan = quick_plan(trained, ["base", "2", "last"], [0.5, 1])
    assert [(a.label, a.scale) for a in plan.loras] == [
        ("base model", 1.0), ("step 2 × 0.5", 0.5), ("step 2", 1), ("LoRA × 0.5", 0.5), ("LoRA", 1),
    ]  # fmt: skip
    assert [a.file and a.file.parent.name for a in plan.loras] == [None, *["step-000002"] * 2, *["run"] * 2]
    assert [a.label for a in quick_plan(trained, ["all"], [1]).loras] == ["base model", "step 2", "step 4"]
    with pytest.raises(InputError, match="no checkpoint '3'; it has 2, 4, last"):
        quick_plan(trained, ["3"], [1])


def test_a_saved_plan_draws_the_same_grid(trained: Trained, tmp_path: Path) -> None:
    plan = quick_plan(trained, ["base", "last"], [0, 1], seeds=(0, 7), title="a title")
    first = generate(plan, tmp_path / "first")
    again = generate(load_plan(tmp_path / "first" / "grid.json"), tmp_path / "again")
    assert load_plan(tmp_path / "first" / "grid.json") == plan
    assert first.grid.read_bytes() == again.grid.read_bytes()
    assert json.loads(read_info(first.grid)["plan"])["seeds"] == [0, 7]
    assert len(first.pictures) == len(set(first.pictures)) == 12
    base, none, full = (first.pictures[n : n + 4] for n in (0, 4, 8))
    assert [pixels(Image.open(p)).tobytes() for p in base] == [pixels(Image.open(p)).tobytes() for p in none]
    assert all(
        pixels(Image.open(a)).tobytes() != pixels(Image.open(b)).tobytes() for a, b in zip(base, full, strict=True)
    )
    info = read_info(full[1])
    assert (info["prompt"], info["seed"], info["lora_scale"]) == ("a photo of sks dog", "7", "1")
    assert len(info["lora_sha256"]) == 64


def test_pictures_with_alike_names_are_all_kept(trained: Trained, tmp_path: Path) -> None:
    long = "a photo of sks dog " * 5
    plan = quick_plan(trained, ["last"], [1], prompts=("sks dog!", "sks dog?", long + "one", long + "two"))
    drawn = generate(plan, tmp_path)
    assert len(set(drawn.pictures)) == 4
    assert [read_info(path)["prompt"] for path in drawn.pictures] == list(plan.prompts)


def test_a_plan_without_a_lora_draws_the_base(tiny_sd: Path, tmp_path: Path) -> None:
    drawn = generate(GridPlan(str(tiny_sd), ("a dog",), steps=1), tmp_path, singles=False)
    assert drawn.pictures == ()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["grid.json", "grid.png"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"loras": [{}]}', '{"loras": [], "prompts": ["a"], "seeds": [0]}'])
def test_files_that_are_no_plan(tmp_path: Path, text: str) -> None:
    (tmp_path / "grid.json").write_text(text)
    with pytest.raises(InputError, match="is no grid plan"):
        load_plan(tmp_path / "grid.json")
    with pytest.raises(InputError, match="There is no plan"):
        load_plan(tmp_path / "missing.json")


def test_a_run_of_a_single_file_keeps_what_it_predicts(photos: Path, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    file = tmp_path / "model.safetensors"
    folder.record(make_config(file, photos, tmp_path, model__prediction_type="v_prediction"))
    plan = quick_plan(Trained(folder, []), ["base"], [1])
    assert plan.prediction == "v_prediction"
    assert plan.loras == (Adapted("base model", None),)
