"""One sprite at the sizes that scenes ask for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sprites.world.draw import f32
from sprites.world.looks import Change

SIDE = 128  # pixels of a stored sprite


class Head(NamedTuple):
    """Where hats go: middle, top and width of the topmost part, in shares of the sprite's side."""

    x: float
    top: float
    width: float


class Figure:
    """A sprite, uint8 RGBA [128, 128, 4] with straight alpha, and its smaller copies."""

    def __init__(self, pixels: NDArray[np.uint8], *, is_face: bool = False) -> None:
        self.pixels, self.is_face = pixels, is_face
        self._copies: dict[int, Image.Image] = {}

    def at(self, pixels: float, changes: Sequence[Change] = ()) -> Image.Image:
        """The smallest copy (32, 64 or 128 pixels) that can be drawn ``pixels`` large, premultiplied, with changes."""
        side = 32 if pixels <= 34 else 64 if pixels <= 72 else SIDE
        if side not in self._copies:
            full = Image.fromarray(self.pixels).convert("RGBa")
            self._copies[side] = full if side == SIDE else full.reduce(SIDE // side)
        return apply(self._copies[side], changes) if changes else self._copies[side]

    @cached_property
    def head(self) -> Head:
        """The widest run of opaque pixels near the top, and how wide the sprite is a little below it."""
        opaque = self.pixels[..., 3] > 100
        rows = np.where(opaque.any(1))[0]
        top, height = rows[0], rows[-1] - rows[0]
        columns = np.where(opaque[top : top + max(3, int(height * 0.12))].any(0))[0]
        runs = np.split(columns, np.where(np.diff(columns) > 1)[0] + 1)
        widest = max(runs, key=len)
        middle = (widest[0] + widest[-1]) / 2
        width = min(max(_run_length(opaque[top + int(height * 0.2)], int(middle)), 22), 100)
        if self.is_face:
            middle, width = np.where(opaque.any(0))[0].mean(), max(width, 60)
        return Head(float(middle / SIDE), float(top / SIDE), width / SIDE)


def _run_length(row: NDArray[Any], start: int) -> int:
    """How far the run of true values around ``start`` reaches, in pixels."""
    left = right = start
    while left > 0 and row[left - 1]:
        left -= 1
    while right < len(row) - 1 and row[right + 1]:
        right += 1
    return right - left


def apply(picture: Image.Image, changes: Sequence[Change]) -> Image.Image:
    """A premultiplied picture after changes that see it with straight alpha."""
    sprite = np.asarray(picture.convert("RGBA"), f32) / f32(255)
    for change in changes:
        sprite = change(sprite)
    return Image.fromarray((np.clip(sprite, 0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGBa")
