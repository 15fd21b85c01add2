"""A `config_TAG.json` that the origin's inference notebook wrote → what to draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorabooth.errors import InputError
from lorabooth.origin.flags import MAX_SAMPLES
from lorabooth.origin.reading import KINDS, fits, read_object, unknown_names, with_identifier

INFERENCE_KEYS: dict[str, tuple[str, str]] = {
    "tag": ("", "no field needed: the random end of the file's own name"),
    "prompt": ("prompts", "`{SKS}` becomes the identifier"),
    "negative_prompt": ("negative_prompt", "a list of one, for all prompts"),
    "num_prompts": ("", "no field needed: the number of prompts, which is checked"),
    "num_samples": ("seeds", "that many of the seeds, from the first on"),
    "seeds": ("seeds", "`null`: 0, 1000000, …, `num_samples` (4) of them"),
    "height": ("height", ""),
    "width": ("width", ""),
    "inference_steps": ("steps", ""),
    "guidance_scale": ("guidance_scales", "a list, or one number"),
    "LORA_SCALE_UNET": ("scales", "a variable of the notebook (1.0), read where somebody wrote it into the file"),
    "LORA_SCALE_TENC": ("text_encoder_scales", "as `LORA_SCALE_UNET`"),
}


@dataclass(frozen=True)
class OriginInference:
    """What to draw, as the origin's inference notebook did: every prompt × seed × guidance scale.

    ``INFERENCE_KEYS`` says from which key each field comes. Each seed gives one starting noise, the same for all
    prompts and guidance scales. What the notebook fixed in code is fixed here: DPM-Solver++ (midpoint), LoRA scale
    1 in the denoiser (``scales``) and in the text encoder. It drew its noise on the GPU and in half precision, so
    equal seeds don't give its very pictures.
    """

    prompts: tuple[str, ...]
    negative_prompt: str = ""
    seeds: tuple[int, ...] = (0, 1_000_000, 2_000_000, 3_000_000)
    steps: int = 20
    guidance_scales: tuple[float, ...] = (7.5,)
    width: int = 512
    height: int = 512
    scales: tuple[float, ...] = (1.0,)
    text_encoder_scales: tuple[float, ...] = (1.0,)
    scheduler: str = "dpmsolver++"


def read_inference(path: Path, identifier: str = "sks") -> OriginInference:
    """Reads what the origin's inference notebook drew; what the file leaves out has the notebook's default.

    Args:
        path: the file.
        identifier: put in the place of ``{SKS}`` in prompts, as the origin's training notebook did.

    Raises:
        InputError: a key is unknown, or a value is none that the notebook could have drawn from.
    """
    given = {key: with_identifier(value, identifier) for key, value in read_object(path).items() if value is not None}
    faults = list(unknown_names(given, INFERENCE_KEYS, path))
    if "prompt" not in given:
        faults.append(f"{path}: there is no `prompt`.")
    if faults:
        raise InputError("\n".join(faults))
    try:
        return _inference(given)
    except InputError as error:
        raise InputError(f"{path}: {error.message}") from error


def _inference(given: Mapping[str, Any]) -> OriginInference:
    prompts = _list(given, "prompt", str)
    negative = _list(given, "negative_prompt", str, [""])
    if len(negative) != 1:
        raise InputError(f"`negative_prompt` has {len(negative)} entries, expected one for all prompts.")
    if _count(given, "num_prompts", len(prompts)) != len(prompts):
        raise InputError(f"`num_prompts` is {given['num_prompts']}, but there are {len(prompts)} prompts.")
    guidance_scales = _numbers(given, "guidance_scale", 7.5)
    if min(guidance_scales) < 0:
        raise InputError(f"`guidance_scale` is {given['guidance_scale']!r}, expected 0 or more.")
    return OriginInference(
        prompts=prompts,
        negative_prompt=negative[0],
        seeds=_seeds(given),
        steps=_count(given, "inference_steps", 20),
        guidance_scales=guidance_scales,
        width=_count(given, "width", 512),
        height=_count(given, "height", 512),
        scales=_numbers(given, "LORA_SCALE_UNET", 1.0),
        text_encoder_scales=_numbers(given, "LORA_SCALE_TENC", 1.0),
    )


def _seeds(given: Mapping[str, Any]) -> tuple[int, ...]:
    named = _list(given, "seeds", int) if "seeds" in given else None
    count = _count(given, "num_samples", 4 if named is None else len(named))
    limit = MAX_SAMPLES if named is None else len(named)
    if count > limit:
        raise InputError(f"`num_samples` is {count}, expected at most {limit}.")
    return tuple(number * 1_000_000 for number in range(count)) if named is None else named[:count]


def _count(given: Mapping[str, Any], key: str, default: int) -> int:
    value = given.get(key, default)
    if not fits(value, int) or value < 1:
        raise InputError(f"`{key}` is {value!r}, expected a whole number from 1 on.")
    return int(value)


def _numbers(given: Mapping[str, Any], key: str, default: float) -> tuple[float, ...]:
    return tuple(float(number) for number in _list(given, key, float, [default]))


def _list(given: Mapping[str, Any], key: str, kind: type, default: Any = None) -> tuple[Any, ...]:
    """A list, or a single value as a list of one."""
    value = given.get(key, default)
    items = value if isinstance(value, list) else [value]
    if not items or not all(fits(item, kind) for item in items):
        raise InputError(f"`{key}` is {value!r}, expected {KINDS[kind]} or a list of such.")
    return tuple(items)
