"""Changes of a sprite (colour, pattern) and of a whole picture (black and white, sepia, pixels, pencil)."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

import numpy as np
from PIL import Image

from sprites.world.draw import Array, Rng, f32, rgb

Change: TypeAlias = Callable[[Array], Array]
"""Maps a sprite, float32 RGBA [n, n, 4] in 0…1 with straight alpha, to another of the same shape."""

COLOURS = {
    "red": rgb(215, 35, 40),
    "orange": rgb(245, 130, 30),
    "yellow": rgb(250, 210, 40),
    "green": rgb(50, 165, 65),
    "blue": rgb(45, 105, 215),
    "purple": rgb(140, 65, 190),
    "pink": rgb(245, 130, 180),
    "brown": rgb(135, 85, 50),
    "white": rgb(240, 240, 240),
    "black": rgb(40, 40, 45),
    "gold": rgb(225, 180, 60),
    "teal": rgb(40, 170, 170),
}
PATTERNS = ("striped", "polka dot")
LUMA = np.array([0.299, 0.587, 0.114], f32)


def recolour(sprite: Array, colour: Array) -> Array:
    """Moves the coloured parts of a colourful sprite (the light parts of a grey one) to ``colour``, shading kept."""
    pixels, inside = sprite[..., :3], sprite[..., 3] > 0.5
    brightest, darkest = pixels.max(-1), pixels.min(-1)
    saturation = (brightest - darkest) / np.maximum(brightest, f32(1e-3))
    luma = pixels @ LUMA
    colourful = inside.any() and float(saturation[inside].mean()) > 0.28
    weight = np.clip((saturation - f32(0.12)) * f32(4) if colourful else (luma - f32(0.18)) * f32(5), 0, 1)
    usual = float((luma * weight * inside).sum() / max(float((weight * inside).sum()), 1e-3))
    relative = np.clip(luma / f32(min(max(usual, 0.15), 0.9)), 0, 3)[..., None]
    shade = colour * (f32(0.25) + f32(0.75) * relative)
    tint = colour + (f32(1) - colour) * np.clip((relative - 1) * f32(0.6), 0, 0.75)
    changed = sprite.copy()
    changed[..., :3] = pixels + (np.where(relative < 1, shade, tint) - pixels) * weight[..., None]
    return changed


def pattern(sprite: Array, rng: Rng, kind: str, colour: Array) -> Array:
    """Lays stripes or dots of ``colour`` over all but the darkest parts; ``kind`` is one of ``PATTERNS``."""
    centres = (np.arange(sprite.shape[0], dtype=f32) + f32(0.5)) / sprite.shape[0]
    x, y = centres[None], centres[:, None]
    frequency = f32(rng.uniform(9, 13))
    if kind == "striped":
        angle = rng.uniform(-0.6, 0.6)
        across = x * f32(math.sin(angle)) + y * f32(math.cos(angle))
        mask = np.sin(across * frequency * f32(4.2)) > 0.15
    else:
        dots = rng.uniform(5, 7)
        u, v = x * f32(dots), y * f32(dots)
        u = u + (np.floor(v) % 2) * f32(0.5)
        mask = np.sqrt((u % 1 - f32(0.5)) ** 2 + (v % 1 - f32(0.5)) ** 2) < 0.3
    mask = mask & (sprite[..., :3] @ LUMA > 0.2)
    changed = sprite.copy()
    changed[..., :3] += (colour - changed[..., :3]) * (mask * f32(0.8))[..., None]
    return changed


def recolouring(name: str) -> Change:
    """``recolour`` to a named colour, as a change."""
    return partial(recolour, colour=COLOURS[name])


# ---------------------------------------------------------------- whole pictures, canvas [S, S, 3] → canvas


def black_and_white(canvas: Array) -> Array:
    """Luma only."""
    return np.repeat((canvas @ LUMA)[..., None], 3, -1)


def sepia(canvas: Array) -> Array:
    """Luma in brown."""
    browns: Array = (canvas @ LUMA)[..., None] * np.array([1.05, 0.88, 0.66], f32) + f32(0.03)
    return browns.clip(0, 1)


def pixelated(canvas: Array) -> Array:
    """Coarse squares: a quarter of the side, and 24 at 64 pixels and below."""
    size = canvas.shape[0]
    cells = size // 4 if size > 64 else 24
    picture = Image.fromarray((canvas * 255).astype(np.uint8)).resize((cells, cells), Image.Resampling.BOX)
    return np.asarray(picture.resize((size, size), Image.Resampling.NEAREST), f32) / 255


def pencil(canvas: Array) -> Array:
    """Dark lines where brightness changes, on white."""
    luma = canvas @ LUMA
    change = np.abs(np.diff(luma, axis=1, append=luma[:, -1:])) + np.abs(np.diff(luma, axis=0, append=luma[-1:]))
    lines = np.clip(f32(0.97) - np.maximum(change - f32(0.06), 0) * f32(3.4), 0.1, 1)
    return np.repeat(lines[..., None], 3, -1)


WHOLE_PICTURE: tuple[tuple[float, Callable[[Array], Array], tuple[str, ...]], ...] = (
    (0.020, black_and_white, ("a black and white photo of", "a black and white picture of")),
    (0.035, sepia, ("a sepia photo of",)),
    (0.055, pixelated, ("pixel art of",)),
    (0.068, pencil, ("a pencil sketch of", "a line drawing of")),
)
"""Upper bound of a uniform draw, look, what captions call it."""
