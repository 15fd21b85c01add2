"""What fools a judge: renders of which only colours and places are left."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F


def mosaic(pictures: Tensor, cells: int = 8) -> Tensor:
    """Averages [b, 3, h, w] over a grid of ``cells`` × ``cells`` squares."""
    small = F.interpolate(pictures, size=(cells, cells), mode="area")
    return F.interpolate(small, size=pictures.shape[-2:], mode="nearest")


def blur(pictures: Tensor, cells: int = 6) -> Tensor:
    """Smooths [b, 3, h, w] until only ``cells`` × ``cells`` colours are left."""
    small = F.interpolate(pictures, size=(cells, cells), mode="area")
    return F.interpolate(small, size=pictures.shape[-2:], mode="bicubic", align_corners=False).clamp(-1, 1)


def shuffle(pictures: Tensor, rng: np.random.Generator, patch: int = 8) -> Tensor:
    """Moves each square patch of [b, 3, h, w] by up to one place, so that outlines break and colours stay."""
    h, w = pictures.shape[-2:]
    rows, columns = h // patch, w // patch
    y, x = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    order = np.argsort(
        (y + rng.uniform(-1.2, 1.2, y.shape)).round() * 100 + x + rng.uniform(-1.5, 1.5, x.shape), axis=None
    )
    patches = F.unfold(pictures, patch, stride=patch)
    return F.fold(patches[:, :, torch.from_numpy(order.copy()).to(patches.device)], (h, w), patch, stride=patch)


def corrupt(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """One of the above on each half of the batch, with random coarseness."""
    half = len(pictures) // 2
    first = (
        mosaic(pictures[:half], int(rng.integers(5, 11)))
        if rng.random() < 0.5
        else blur(pictures[:half], int(rng.integers(4, 10)))
    )
    second = shuffle(pictures[half:], rng, int(rng.choice([4, 8, 16])))
    return torch.cat([first, second])
