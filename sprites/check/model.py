"""The model under test, loaded and asked through lorabooth itself."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor

from lorabooth import families
from lorabooth.api import Adapted, draw_column
from lorabooth.config import BUILTIN
from lorabooth.families import Family
from lorabooth.generation import Request, Sampler, generate
from lorabooth.training.engine import Engine
from sprites.errors import RecipeError
from sprites.training.pool import to_tensor

OPTIONS = "lorabooth.yaml"
AT_ONCE = 20


def recommended(folder: Path) -> dict[str, dict[str, Any]]:
    """The options that come with the model, or those of the embedded one."""
    file = folder / OPTIONS if (folder / OPTIONS).exists() else BUILTIN / "sprites" / OPTIONS
    options: dict[str, dict[str, Any]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return options


class Model:
    """A base model folder; ``load_seconds`` is how long a pipeline takes to be there, imports apart."""

    def __init__(self, folder: Path) -> None:
        if not (folder / "model_index.json").exists():
            raise RecipeError(f"{folder} is no model folder: make it with `python -m sprites all`")
        from diffusers import StableDiffusionPipeline

        started = time.perf_counter()
        StableDiffusionPipeline.from_pretrained(folder, safety_checker=None, local_files_only=True)
        self.load_seconds = time.perf_counter() - started
        engine = Engine("auto")
        self.folder = folder
        self.family: Family = families.load(str(folder), dtype=engine.dtype, device=engine.device)
        self.sampler = sampler(recommended(folder).get("sampling", {}), self.family.resolution)

    def draw(self, wanted: Sequence[Request]) -> NDArray[np.uint8]:
        """Pictures uint8 [n, S, S, 3] by the base model."""
        return _stacked(list(generate(self.family, wanted, self.sampler, AT_ONCE)))

    def draw_with(self, lora: Path, wanted: Sequence[Request]) -> NDArray[np.uint8]:
        """Pictures uint8 [n, S, S, 3] with a LoRA file."""
        return _stacked(draw_column(self.family, Adapted("subject", lora), wanted, self.sampler))

    def reconstruct(self, pixels: Tensor) -> Tensor:
        """Pictures [b, 3, h, w] in -1…1 through the autoencoder and back to bytes."""
        again = [self.family.decode_images(self.family.encode_images(part).mean) for part in pixels.split(50)]
        return torch.cat([to_tensor(_stacked(part)) for part in again])

    @property
    def megabytes(self) -> float:
        """Size of all files of the folder, in MB of 10⁶ bytes."""
        return sum(file.stat().st_size for file in self.folder.rglob("*") if file.is_file()) / 1e6


def sampler(options: Mapping[str, Any], size: int) -> Sampler:
    """The sampler with 25 steps unless the model recommends otherwise."""
    kept = {key: options[key] for key in ("steps", "guidance_scale", "scheduler", "negative_prompt") if key in options}
    return Sampler(**kept, width=size, height=size)


def _stacked(pictures: Sequence[Any]) -> NDArray[np.uint8]:
    return np.stack([np.asarray(picture, np.uint8) for picture in pictures])
