"""A rendered pool of the world on disk: pictures, captions and what each shows."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sprites.world.record import Record


class Pool:
    """``pictures`` [n, size, size, 3] uint8 (memory-mapped) and one ``Record`` each, read from ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pictures = np.load(folder / "pictures.npy", mmap_mode="r")
        self.records = [Record(*row) for row in json.loads((folder / "records.json").read_text())]
        if len(self.records) != len(self.pictures):
            raise SystemExit(
                f"{folder}: {len(self.pictures)} pictures but {len(self.records)} records; delete it and render again"
            )

    def __len__(self) -> int:
        return len(self.records)

    def batch(self, index: np.ndarray) -> Tensor:
        """Pictures as a float tensor [b, 3, size, size] in -1…1."""
        return to_tensor(np.asarray(self.pictures[index]))


def to_tensor(pictures: np.ndarray) -> Tensor:
    """Bytes [b, h, w, 3] → float [b, 3, h, w] in -1…1."""
    return torch.from_numpy(pictures).permute(0, 3, 1, 2).float().div_(127.5).sub_(1)


def to_uint8(pictures: Tensor) -> np.ndarray:
    """Floats [b, 3, h, w] in -1…1 → uint8 [b, h, w, 3]."""
    return pictures.float().clamp(-1, 1).add(1).mul(127.5).round().byte().permute(0, 2, 3, 1).cpu().numpy()
