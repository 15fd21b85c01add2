"""Ways to draw that no world has: each turns a sprite into one in a style that is new to every base."""

from __future__ import annotations

import numpy as np
from PIL import Image

from sprites.world.draw import Array, f32, lerp, rgb
from sprites.world.looks import COLOURS, LUMA, recolour


def line_drawing(sprite: Array) -> Array:
    """Dark blue lines, where the drawing or its outline changes, on white."""
    opaque = sprite[..., 3]
    luma = lerp(np.ones_like(opaque), sprite[..., :3] @ LUMA, opaque) + opaque
    down, across = np.gradient(luma)
    lines = _thickened(np.clip((np.hypot(down, across) - f32(0.05)) * 5, 0, 1))
    return _painted(lerp(rgb(255, 255, 255), rgb(30, 40, 90), lines[..., None]), _thickened(opaque))


def blocks(sprite: Array, cells: int = 18) -> Array:
    """Squares of one colour each, ``cells`` across, in four steps of every channel."""
    premultiplied = Image.fromarray((sprite * 255).astype(np.uint8)).convert("RGBa")
    small = premultiplied.resize((cells, cells), Image.Resampling.BOX).convert("RGBA")
    coarse = np.asarray(small.resize(sprite.shape[:2], Image.Resampling.NEAREST), f32) / 255
    return _painted(np.round(coarse[..., :3] * 4) / 4, (coarse[..., 3] > 0.45).astype(f32))


def poster(sprite: Array) -> Array:
    """Two colours, cream for the lighter parts and crimson for the darker ones."""
    luma, inside = sprite[..., :3] @ LUMA, sprite[..., 3] > 0.5
    middle = np.quantile(luma[inside], (0.05, 0.95)).mean()
    bright = np.clip((luma - f32(middle)) * 24 + f32(0.5), 0, 1)[..., None]
    return _painted(lerp(rgb(190, 20, 60), rgb(255, 236, 190), bright), sprite[..., 3])


def neon(sprite: Array) -> Array:
    """Glowing green and pink lines on black."""
    opaque = sprite[..., 3]
    luma = sprite[..., :3] @ LUMA * opaque
    down, across = np.gradient(luma + opaque)
    lines = _thickened(np.clip((np.hypot(down, across) - f32(0.04)) * 6, 0, 1))
    height = np.linspace(0, 1, sprite.shape[0], dtype=f32)[:, None, None]
    tube = lerp(rgb(70, 255, 150), rgb(255, 70, 210), height)
    return _painted(lerp(rgb(18, 12, 34), tube, lines[..., None]), _thickened(opaque))


def two_tone(sprite: Array, top: str, bottom: str) -> Array:
    """Recoloured in two named colours, which meet a little below the middle."""
    rows = sprite.shape[0]
    height = ((np.arange(rows, dtype=f32) + f32(0.5)) / rows)[:, None, None]
    lower = np.clip((height - f32(0.55)) * rows / 2 + f32(0.5), 0, 1)
    return lerp(recolour(sprite, COLOURS[top]), recolour(sprite, COLOURS[bottom]), lower)


def _painted(colours: Array, opaque: Array) -> Array:
    return np.concatenate([np.broadcast_to(colours, (*opaque.shape, 3)), opaque[..., None]], -1).astype(f32)


def _thickened(mask: Array) -> Array:
    """The largest value among the four neighbours and the pixel itself."""
    padded = np.pad(mask, 1)
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:], mask)
    largest: Array = np.maximum.reduce(neighbours)
    return largest
