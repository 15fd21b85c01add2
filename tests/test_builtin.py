"""The embedded base model: whole, small, loaded by plain diffusers, and really learning a subject."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline

from lorabooth import families
from lorabooth.api import train_events
from lorabooth.demo import BUNDLED, CONTEXTS, demo_config, draw_demo_grid
from lorabooth.generation import Sampler, generate, requests
from lorabooth.training.events import StepEvent
from sprites.assemble import check_sums
from sprites.errors import RecipeError

MODEL = Path(families.__file__).parents[1] / "builtin" / "sprites"


@pytest.fixture(scope="module")
def pipeline() -> StableDiffusionPipeline:
    loaded = StableDiffusionPipeline.from_pretrained(MODEL, local_files_only=True)
    loaded.set_progress_bar_config(disable=True)
    return loaded


def test_files_are_those_that_were_written(tmp_path: Path) -> None:
    check_sums(MODEL)
    (tmp_path / "a.json").write_text("{}")
    (tmp_path / "SHA256SUMS").write_text("0" * 64 + "  a.json\n")
    with pytest.raises(RecipeError, match=r"a\.json"):
        check_sums(tmp_path)


def test_folder_is_small_and_has_a_card() -> None:
    assert sum(p.stat().st_size for p in MODEL.rglob("*") if p.is_file()) <= 60_000_000
    card = (MODEL / "README.md").read_text(encoding="utf-8")
    for part in ("CC-BY-4.0", "Apache-2.0", "MIT"):
        assert part in card


def test_plain_diffusers_draws_what_was_asked(pipeline: StableDiffusionPipeline) -> None:
    prompts = ["a photo of a penguin on a red background", "a photo of a penguin on a blue background"]
    noise = [torch.Generator().manual_seed(0) for _ in prompts]
    red, blue = pipeline(prompts, num_inference_steps=15, guidance_scale=3.0, generator=noise, output_type="np").images
    corners = np.s_[2:10, 2:10]
    assert red[corners][..., 0].mean() > red[corners][..., 2].mean() + 0.3
    assert blue[corners][..., 2].mean() > blue[corners][..., 0].mean() + 0.3


def test_identifiers_are_single_tokens_and_change_the_picture(pipeline: StableDiffusionPipeline) -> None:
    for word in ("sks", "zwx", "ohwx"):
        assert len(pipeline.tokenizer(word, add_special_tokens=False).input_ids) == 1
    known, rare = (pipeline.encode_prompt(p, "cpu", 1, False)[0] for p in ("a photo of a dog", "a photo of a sks dog"))
    assert not torch.allclose(known, rare, atol=1e-2)
    assert json.loads((MODEL / "model_index.json").read_text())["_class_name"] == "StableDiffusionPipeline"


@pytest.mark.slow
def test_a_subject_is_learned_and_the_class_stays(tmp_path: Path) -> None:
    """The demo at a third of its length: the subject's colours arrive under its name, and not without it."""
    config = demo_config(tmp_path / "run", ["training.steps=100", "prior.images=24", "sampling.enabled=false"])
    losses = [e.instance_loss for e in train_events(config) if isinstance(e, StepEvent)]
    assert np.mean(losses[-20:]) < 0.9 * np.mean(losses[:10])
    family = families.load("builtin:sprites", dtype=torch.float32, device=torch.device("cpu"))
    sampler = Sampler(15, 3.0, width=64, height=64)
    subject = requests([f"{config.subject.prompt} {place}" for place in CONTEXTS[:4]], [1])
    bare = requests([f"{config.class_prompt} {place}" for place in CONTEXTS[:4]], [1])
    before = [np.asarray(p, float) for p in generate(family, [*subject, *bare], sampler)]
    pipeline = family.pipeline()
    pipeline.load_lora_weights(tmp_path / "run", weight_name="lora.safetensors", local_files_only=True)
    after = [np.asarray(p, float) for p in generate(family, [*subject, *bare], sampler)]
    named, plain = teal(after[:4]) - teal(before[:4]), teal(after[4:]) - teal(before[4:])
    assert named > 5
    assert abs(plain) < named / 3
    assert draw_demo_grid(config, tmp_path / "run" / "lora.safetensors", tmp_path).exists()
    assert len(list((BUNDLED / "photos").glob("*.png"))) == 5


def teal(pictures: list[np.ndarray]) -> float:
    """How much greener and bluer than red the middle is: the toy robot is teal, the base's robots are not."""
    middle = np.stack(pictures)[:, 16:56, 16:48]
    return float((middle[..., 1] / 2 + middle[..., 2] / 2 - middle[..., 0]).mean())
