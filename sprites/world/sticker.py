"""Drawings on a transparent ground."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sprites.world.draw import Array, f32


class Sticker:
    """A transparent square canvas, ``rgba`` float32 [S, S, 4], to put coloured masks on."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.rgba: Array = np.zeros((size, size, 4), f32)

    def put(self, mask: Array, colour: Array) -> None:
        """Blends a colour [3] or canvas [S, S, 3] in and makes the mask opaque."""
        self.rgba[..., :3] += (colour - self.rgba[..., :3]) * mask[..., None]
        self.rgba[..., 3] = np.maximum(self.rgba[..., 3], mask)

    def picture(self) -> Image.Image:
        """The drawing so far, premultiplied."""
        return Image.fromarray((self.rgba * 255).astype(np.uint8)).convert("RGBa")
