"""Scenes with one upright subject, and the parts that rich scenes share with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sprites.world.captions import PHOTO_PREFIXES, STYLE_PREFIXES
from sprites.world.contexts import Backdrop, Context, Ground
from sprites.world.draw import Array, Rng, f32, pick
from sprites.world.figure import Figure
from sprites.world.scene import Pose, add_figure


def lean(rng: Rng) -> tuple[float, bool]:
    """A slight tilt in radians (upright one time in five) and whether to mirror."""
    tilt = float(rng.normal(0, 0.09)) if rng.random() < 0.8 else 0.0
    return max(-0.27, min(0.27, tilt)), rng.random() < 0.5


def stand(
    rng: Rng, size: int, side: float, backdrop: Backdrop, *, worn: bool = False, close_up: bool = False
) -> tuple[float, float]:
    """Middle and foot, in pixels, of a subject ``side`` pixels large: inside the picture where it fits."""
    x = size * (0.5 + rng.uniform(-0.5, 0.5) * max(0.05, 0.86 - side / size))
    highest = max(backdrop.horizon + 0.02, side / size + (0.2 if worn else 0.04))
    foot = size * (rng.uniform(highest, 0.97) if highest < 0.97 else 0.97 + rng.uniform(0, 0.04))
    if close_up:
        foot = size * (0.5 + side / size / 2 + rng.uniform(-0.05, 0.12))
        x = size * (0.5 + rng.uniform(-0.1, 0.1))
    if backdrop.ground is Ground.WALL and rng.random() < 0.6 and not worn and side < size:
        foot = min(size * (0.5 + side / size / 2 + rng.uniform(-0.06, 0.06)), size)
    if backdrop.ground is Ground.NONE:
        foot = size * rng.uniform(0.35, 0.65)
    return x, foot


def expose(canvas: Array, rng: Rng) -> Array:
    """A canvas in 0…1, a little brighter or darker."""
    return np.clip(canvas * f32(rng.uniform(0.92, 1.06)), 0, 1)


def to_pixels(canvas: Array) -> NDArray[np.uint8]:
    """A canvas in 0…1 as uint8."""
    return (canvas * 255 + 0.5).astype(np.uint8)


def rich_prefix(rng: Rng, style: str | None) -> str:
    """What a rich caption begins with: nearly half of them name the style, when there is one."""
    return pick(rng, STYLE_PREFIXES[style] if style and rng.random() < 0.45 else PHOTO_PREFIXES)


def plain_scene(rng: Rng, size: int, figure: Figure, context: Context, span: tuple[float, float]) -> NDArray[np.uint8]:
    """One figure in a context, uint8 [S, S, 3].

    The draws that go unused are those by which a rich scene would be phrased and varied: they are part of the plain
    world's definition, since base models were trained on the very pictures that follow from them.
    """
    backdrop = context.paint(rng, size)
    pick(rng, context.phrases)
    tilt, flip = lean(rng)
    rng.random()
    side = size * rng.uniform(*span)
    x, foot = stand(rng, size, side, backdrop)
    canvas = backdrop.canvas
    add_figure(canvas, figure, backdrop.ground, Pose(side, x, foot, tilt, flip))
    if context.overlay:
        context.overlay(canvas, rng)
    rng.random()
    return to_pixels(expose(np.clip(canvas, 0, 1), rng))
