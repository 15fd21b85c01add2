"""Drawing primitives on square float32 canvases: positions and lengths in 0…1, colours in 0…1, masks antialiased."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Array: TypeAlias = NDArray[Any]
"""Float32 array: canvas [S, S, 3], mask [S, S] (or a shape that broadcasts to it), colour [3], profile [S]."""
Rng: TypeAlias = np.random.Generator
T = TypeVar("T")

f32 = np.float32


@cache
def grid(size: int) -> tuple[Array, Array]:
    """Pixel centres x [1, S] and y [S, 1]."""
    centres = (np.arange(size, dtype=f32) + f32(0.5)) / f32(size)
    return centres[None, :], centres[:, None]


def pick(rng: Rng, choices: Sequence[T]) -> T:
    """One of ``choices``, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def count(rng: Rng, low: int, high: int) -> int:
    """A whole number in low…high-1."""
    return int(rng.integers(low, high))


# ---------------------------------------------------------------- colours


@cache
def rgb(red: int, green: int, blue: int) -> Array:
    """A colour given in 0…255 as a read-only float32 [3]."""
    colour = np.array((red, green, blue), f32) / f32(255)
    colour.flags.writeable = False
    return colour


def jitter(rng: Rng, colour: Array, spread: float = 0.08) -> Array:
    """``colour`` with its hue and its brightness moved a little, each by up to about ``spread``."""
    hue = rng.uniform(-spread, spread, 3).astype(f32) * f32(0.6)
    moved: Array = np.clip(colour + hue + f32(rng.uniform(-spread, spread)), 0, 1)
    return moved.astype(f32)


def lerp(start: Array, end: Array, share: float | Array) -> Array:
    """``start`` at share 0, ``end`` at share 1."""
    return start + (end - start) * share


# ---------------------------------------------------------------- whole canvases


def flat(size: int, colour: Array) -> Array:
    """A canvas [S, S, 3] of one colour."""
    return np.broadcast_to(colour.astype(f32), (size, size, 3)).copy()


def gradient(size: int, top: Array, bottom: Array, y0: float = 0.0, y1: float = 1.0) -> Array:
    """A canvas [S, S, 3] that goes from ``top`` above y0 to ``bottom`` below y1."""
    _, y = grid(size)
    share = np.clip((y - f32(y0)) / f32(y1 - y0), 0, 1)[..., None]
    return np.broadcast_to(top + (bottom - top) * share, (size, size, 3)).astype(f32).copy()


def noise(rng: Rng, size: int, rows: int, columns: int | None = None) -> Array:
    """Smooth noise [S, S] around 0.5 from ``rows`` × ``columns`` random values (a square when only one is given)."""
    cells = rng.random((rows, columns or rows), dtype=f32)
    return np.asarray(Image.fromarray(cells).resize((size, size), Image.Resampling.BICUBIC))


def grain(canvas: Array, rng: Rng, amount: float, cells: int | None = None) -> Array:
    """Adds grey noise of ``cells`` × ``cells`` values (half the size unless told) to the canvas and returns it."""
    size = canvas.shape[0]
    canvas += ((noise(rng, size, cells or size // 2) - f32(0.5)) * f32(2 * amount))[..., None]
    return canvas


def rough(rng: Rng, size: int, colour: Array, amount: float, cells: int | None = None) -> Array:
    """A canvas [S, S, 3] of one colour with grain."""
    return grain(flat(size, colour), rng, amount, cells)


def put(canvas: Array, mask: Array, colour: Array) -> Array:
    """Blends a colour [3] or canvas [S, S, 3] into ``canvas`` where the mask is on; returns the canvas."""
    canvas += (colour - canvas) * mask[..., None]
    return canvas


def speckle(
    canvas: Array,
    rng: Rng,
    number: int,
    colour: Array,
    strength: float = 1.0,
    rows: tuple[float, float] = (0.0, 1.0),
    wide: bool = False,
) -> Array:
    """Scatters single pixels between two heights (2 × 2 ones when ``wide`` or the canvas exceeds 64 pixels)."""
    size = canvas.shape[0]
    top, bottom = int(rows[0] * size), int(rows[1] * size)
    ys, xs = rng.integers(top, max(top + 1, bottom), number), rng.integers(0, size, number)
    offsets = [(0, 0), (0, 1), (1, 0), (1, 1)] if wide or size > 64 else [(0, 0)]
    for dy, dx in offsets:
        y, x = np.minimum(ys + dy, size - 1), np.minimum(xs + dx, size - 1)
        canvas[y, x] += (colour - canvas[y, x]) * f32(strength)
    return canvas


# ---------------------------------------------------------------- masks


def edge(distance: Array, size: int) -> Array:
    """Turns a signed distance (positive inside) into an antialiased mask."""
    mask: Array = np.clip(distance * f32(size) + f32(0.5), 0, 1)
    return mask


def disc(size: int, x: float, y: float, radius: float) -> Array:
    """Mask [S, S] of a disc."""
    px, py = grid(size)
    return edge(f32(radius) - np.sqrt((px - f32(x)) ** 2 + (py - f32(y)) ** 2), size)


def ellipse(size: int, x: float, y: float, rx: float, ry: float, angle: float = 0.0) -> Array:
    """Mask [S, S] of an ellipse turned by ``angle`` radians."""
    px, py = grid(size)
    cosine, sine = f32(math.cos(angle)), f32(math.sin(angle))
    u = ((px - f32(x)) * cosine + (py - f32(y)) * sine) / f32(rx)
    v = (-(px - f32(x)) * sine + (py - f32(y)) * cosine) / f32(ry)
    return edge((f32(1) - np.sqrt(u * u + v * v)) * f32(min(rx, ry)), size)


def box(size: int, x0: float, x1: float, y0: float, y1: float) -> Array:
    """Mask [S, S] of an upright rectangle."""
    px, py = grid(size)
    across = edge(np.minimum(px - f32(x0), f32(x1) - px), size)
    return across * edge(np.minimum(py - f32(y0), f32(y1) - py), size)


def rounded_box(size: int, x0: float, x1: float, y0: float, y1: float, radius: float) -> Array:
    """Mask [S, S] of an upright rectangle with round corners."""
    px, py = grid(size)
    right = np.abs(px - f32((x0 + x1) / 2)) - f32((x1 - x0) / 2 - radius)
    down = np.abs(py - f32((y0 + y1) / 2)) - f32((y1 - y0) / 2 - radius)
    outside = np.sqrt(np.maximum(right, 0) ** 2 + np.maximum(down, 0) ** 2)
    return edge(f32(radius) - outside - np.minimum(np.maximum(right, down), 0), size)


def polygon(size: int, *corners: tuple[float, float]) -> Array:
    """Mask [S, S] of a convex polygon, its corners given clockwise as seen on screen."""
    px, py = grid(size)
    mask = np.ones((size, size), f32)
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        inside = ((px - f32(x0)) * f32(y0 - y1) + (py - f32(y0)) * f32(x1 - x0)) / f32(length)
        mask = np.minimum(mask, edge(inside, size))
    return mask


def bar(size: int, y0: float, y1: float) -> Array:
    """Mask [S, S] of a rectangle over the whole width."""
    return box(size, -1, 2, y0, y1)


def below(size: int, height: float | Array) -> Array:
    """Mask of everything under a level (a number, mask [S, 1]) or a profile [S] (mask [S, S])."""
    _, y = grid(size)
    return edge(y - np.asarray(height, f32)[None], size)


def stripes(angle: Array) -> Array:
    """The upper half of a sine: bands from 0 to 1 and gaps of 0."""
    return np.clip(np.sin(angle), 0, 1)


# ---------------------------------------------------------------- profiles


def wave(rng: Rng, size: int, swing: float, frequency: float, level: float) -> Array:
    """A rolling profile [S] around ``level``: three sines of falling height."""
    x = grid(size)[0][0]
    heights = np.zeros(size, f32)
    for k in range(1, 4):
        angular = f32(2 * math.pi * frequency * k * rng.uniform(0.7, 1.3))
        heights += f32(swing / k) * np.sin(angular * x + f32(rng.uniform(0, 6.3)))
    return heights + f32(level)


def ridge(rng: Rng, size: int, level: float, height: float, points: int) -> Array:
    """A jagged profile [S] of peaks up to ``height`` above ``level`` and the valleys between them."""
    xs = np.sort(rng.uniform(-0.1, 1.1, points))
    xs[0], xs[-1] = -0.1, 1.1
    valleys, peaks = rng.uniform(0, 0.35, points), rng.uniform(0.6, 1.0, points)
    ys = level - height * np.where(np.arange(points) % 2 == 0, valleys, peaks)
    profile: Array = np.interp(grid(size)[0][0], xs, ys)
    return profile.astype(f32)
