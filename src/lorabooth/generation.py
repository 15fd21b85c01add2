"""Base model + adapter + prompts × seeds → pictures; every picture has a generator of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

from lorabooth.errors import InputError
from lorabooth.families import Family

SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "dpmsolver++": ("DPMSolverMultistepScheduler", {"algorithm_type": "dpmsolver++"}),
    "ddim": ("DDIMScheduler", {}),
    "ddpm": ("DDPMScheduler", {}),
    "euler": ("EulerDiscreteScheduler", {}),
    "euler_a": ("EulerAncestralDiscreteScheduler", {}),
    "unipc": ("UniPCMultistepScheduler", {}),
    "pndm": ("PNDMScheduler", {"skip_prk_steps": True}),
    "heun": ("HeunDiscreteScheduler", {}),
    "lms": ("LMSDiscreteScheduler", {}),
}


@dataclass(frozen=True)
class Sampler:
    """How a picture is drawn from noise."""

    steps: int = 25
    guidance_scale: float = 7.5
    scheduler: str = "dpmsolver++"
    negative_prompt: str = ""
    width: int = 512
    height: int = 512


@dataclass(frozen=True)
class Request:
    """One picture to draw."""

    prompt: str
    seed: int


def requests(prompts: Sequence[str], seeds: Sequence[int]) -> list[Request]:
    """Every prompt with every seed, prompts outermost."""
    return [Request(prompt, seed) for prompt in prompts for seed in seeds]


def scheduler_for(name: str, config: Any) -> Any:
    """A diffusers noise scheduler of this name on the base model's forward process.

    Raises:
        InputError: there is none of this name, or a package that it needs is missing.
    """
    import diffusers

    if name not in SCHEDULERS:
        raise InputError(f"There is no scheduler {name!r}; known are {', '.join(SCHEDULERS)}.")
    kind, extra = SCHEDULERS[name]
    kept = {k: v for k, v in config.items() if not k.startswith("_")}
    try:
        return getattr(diffusers, kind).from_config(kept, **extra)
    except ImportError as error:
        raise InputError(
            f"The scheduler {name} needs scipy, which is not installed.", "Type pip install scipy, or take another."
        ) from error


def check_size(family: Family, width: int, height: int) -> None:
    """Refuses sizes that the model can't take.

    Raises:
        InputError: a side is no multiple of what the family needs.
    """
    multiple = family.size_multiple
    if width % multiple or height % multiple or min(width, height) < multiple:
        near = [max(multiple, round(side / multiple) * multiple) for side in (width, height)]
        raise InputError(
            f"{width} × {height} does not fit {family.source.name}: sides must be multiples of {multiple}.",
            f"The nearest size is {near[0]} × {near[1]}.",
        )


@torch.no_grad()
def generate(family: Family, wanted: Sequence[Request], sampler: Sampler, batch_size: int = 4) -> Iterator[Image.Image]:
    """Draws the pictures in order, ``batch_size`` at once, with whatever adapter is attached to the family.

    The starting noise comes from the request's seed alone, so that the same seed gives every prompt the same noise.
    """
    check_size(family, sampler.width, sampler.height)
    pipeline = family.pipeline()
    pipeline.scheduler = scheduler_for(sampler.scheduler, pipeline.scheduler.config)
    guided = sampler.guidance_scale > 1
    prompts = list(dict.fromkeys([r.prompt for r in wanted] + ([sampler.negative_prompt] if guided else [])))
    embedded = {prompt: family.encode_prompts([prompt]).hidden for prompt in prompts}
    for start in range(0, len(wanted), batch_size):
        part = wanted[start : start + batch_size]
        arguments: dict[str, Any] = {"prompt_embeds": torch.cat([embedded[r.prompt] for r in part]).to(family.dtype)}
        if guided:
            arguments["negative_prompt_embeds"] = (
                embedded[sampler.negative_prompt].expand(len(part), -1, -1).to(family.dtype)
            )
        latents = pipeline(
            **arguments,
            guidance_scale=sampler.guidance_scale,
            num_inference_steps=sampler.steps,
            width=sampler.width,
            height=sampler.height,
            output_type="latent",
            generator=[torch.Generator().manual_seed(r.seed) for r in part],
        ).images
        yield from family.decode_images(latents)
