"""Runs the diffusers script as it is, in this process: `-m benchmarks.run_peer STAMPS SCRIPT …`.

Two things are put around it: its progress bar also stamps each step, and where torchvision is not installed five of
its transforms are stood in for by Pillow, which is what torchvision itself calls for pictures from files.
"""

from __future__ import annotations

import importlib.util
import random
import runpy
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from benchmarks.stamps import StampFile


def _compose(steps: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    def run(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return value

    return run


def _resize(size: int, interpolation: Image.Resampling) -> Callable[[Image.Image], Image.Image]:
    def run(image: Image.Image) -> Image.Image:
        factor = size / min(image.size)
        return image.resize((round(image.width * factor), round(image.height * factor)), interpolation)

    return run


def _center_crop(size: int) -> Callable[[Image.Image], Image.Image]:
    return lambda image: ImageOps.fit(image, (size, size)) if image.size != (size, size) else image


def _random_crop(size: int) -> Callable[[Image.Image], Image.Image]:
    def run(image: Image.Image) -> Image.Image:
        left, top = random.randint(0, image.width - size), random.randint(0, image.height - size)
        return image.crop((left, top, left + size, top + size))

    return run


def _to_tensor() -> Callable[[Image.Image], Tensor]:
    return lambda image: torch.from_numpy(np.array(image)).permute(2, 0, 1).float().div(255)


def _normalize(mean: Sequence[float], deviation: Sequence[float]) -> Callable[[Tensor], Tensor]:
    return lambda pixels: (pixels - mean[0]) / deviation[0]


def _stand_in_for_torchvision() -> None:
    transforms = types.SimpleNamespace(
        Compose=_compose,
        Resize=_resize,
        CenterCrop=_center_crop,
        RandomCrop=_random_crop,
        ToTensor=_to_tensor,
        Normalize=_normalize,
        InterpolationMode=Image.Resampling,
    )
    module = types.ModuleType("torchvision")
    module.transforms = transforms  # type: ignore[attr-defined]
    sys.modules["torchvision"] = module


def _stamp_progress_bar(stamps: StampFile) -> None:
    import tqdm.auto  # type: ignore[import-untyped]

    class Stamped(tqdm.auto.tqdm):  # type: ignore[misc]
        """Also writes a stamp for each step of training."""

        def update(self, n: float = 1) -> Any:
            if self.desc.startswith("Steps"):
                stamps.mark()
            return super().update(n)

    tqdm.auto.tqdm = Stamped


def main() -> None:
    """Hands the rest of the command line to the script."""
    stamp_file, script, *rest = sys.argv[1:]
    import diffusers  # noqa: F401  (both look for torchvision when imported; they shall not find the stand-in)
    import transformers  # noqa: F401

    if importlib.util.find_spec("torchvision") is None:
        _stand_in_for_torchvision()
    _stamp_progress_bar(StampFile(Path(stamp_file)))
    sys.argv = [script, *rest]
    runpy.run_path(script, run_name="__main__")


main()
