"""The rasterised art as one file."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sprites.errors import RecipeError


class Sprite(NamedTuple):
    """What one drawing shows and where it comes from."""

    class_noun: str
    code_point: str
    style: str
    is_face: bool = False
    is_alive: bool = False
    is_accessory: bool = False
    is_held: bool = False  # kept out of every world: subjects are made of these


@dataclass(frozen=True)
class Art:
    """``pixels``, uint8 RGBA [n, 128, 128, 4] with straight alpha, and one ``Sprite`` each."""

    pixels: NDArray[np.uint8]
    sprites: tuple[Sprite, ...]

    def save(self, path: Path) -> None:
        """Writes one compressed file under a temporary name and renames it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(".tmp.npz")
        np.savez_compressed(temporary, pixels=self.pixels, sprites=json.dumps(self.sprites))
        temporary.replace(path)

    @classmethod
    def load(cls, path: Path) -> Art:
        """Reads what ``save`` wrote."""
        if not path.exists():
            raise RecipeError(f"{path} is missing: make it with `python -m sprites art`")
        with np.load(path) as file:
            return cls(file["pixels"], tuple(Sprite(*row) for row in json.loads(str(file["sprites"]))))
