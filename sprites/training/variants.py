"""Virtual instances: a drawing in other colours, patterns and ways of drawing, so that colour and shape both count."""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sprites.world.draw import Array, Rng, f32, lerp, pick
from sprites.world.looks import LUMA, PATTERNS, Change, pattern, recolour


def vary(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """A sprite, uint8 RGBA [n, n, 4] with straight alpha, that looks like another member of its class."""
    sprite = pixels.astype(f32) / f32(255)
    for change in choose(rng):
        sprite = change(sprite)
    varied: NDArray[np.uint8] = (np.clip(sprite, 0, 1) * 255 + 0.5).astype(np.uint8)
    return varied


def choose(rng: Rng) -> list[Change]:
    """One change of colour, now and then with a pattern on top, or another way of drawing."""
    draw = rng.random()
    if draw < 0.12:
        return [partial(pick(rng, (posterised, outlined)), dark=any_colour(rng), bright=any_colour(rng))]
    if draw < 0.18:
        return [partial(pixelated, cells=int(rng.integers(13, 22)))]
    if draw < 0.50:
        changes: list[Change] = [partial(recolour, colour=any_colour(rng))]
    elif draw < 0.75:
        changes = [partial(turned_hue, angle=rng.uniform(0.7, 2 * math.pi - 0.7))]
    elif draw < 0.92:
        changes = [partial(blended, a=any_colour(rng), b=any_colour(rng), angle=rng.uniform(0, 2 * math.pi),
                           hardness=rng.uniform(1, 30))]  # fmt: skip
    else:
        changes = []
    if not changes or rng.random() < 0.2:
        changes.append(partial(pattern, rng=rng, kind=pick(rng, PATTERNS), colour=any_colour(rng)))
    return changes


def any_colour(rng: Rng) -> Array:
    """A colour of any hue, mostly strong, float32 [3]."""
    wheel = np.clip(np.abs((rng.random() * 6 + np.array([0.0, 4.0, 2.0])) % 6 - 3) - 1, 0, 1)
    strength = rng.uniform(0.2, 1) ** 0.5
    colour: Array = ((1 - strength + strength * wheel) * rng.uniform(0.25, 1)).astype(f32)
    return colour


def turned_hue(sprite: Array, angle: float) -> Array:
    """All colours turned around the grey axis by ``angle`` radians (Rodrigues' rotation)."""
    c, s = math.cos(angle), math.sin(angle)
    a, b, d = (1 + 2 * c) / 3, (1 - c) / 3 - s / math.sqrt(3), (1 - c) / 3 + s / math.sqrt(3)
    turn = np.array([[a, b, d], [d, a, b], [b, d, a]], f32)
    return _painted(sprite[..., :3] @ turn.T, sprite)


def blended(sprite: Array, a: Array, b: Array, angle: float, hardness: float) -> Array:
    """Recoloured in two colours that meet in the middle, softly or hard, along any direction."""
    n = sprite.shape[0]
    centres = (np.arange(n, dtype=f32) + f32(0.5)) / n - f32(0.5)
    along = centres[None] * f32(math.cos(angle)) + centres[:, None] * f32(math.sin(angle))
    share = np.clip(along * f32(hardness) + f32(0.5), 0, 1)[..., None]
    return lerp(recolour(sprite, a), recolour(sprite, b), share)


def posterised(sprite: Array, dark: Array, bright: Array) -> Array:
    """Two colours: one for the darker half of what is drawn, one for the lighter."""
    luma, inside = sprite[..., :3] @ LUMA, sprite[..., 3] > 0.5
    middle = np.median(luma[inside]) if inside.any() else 0.5
    share = np.clip((luma - f32(middle)) * 20 + f32(0.5), 0, 1)[..., None]
    return _painted(lerp(dark, bright, share), sprite)


def outlined(sprite: Array, dark: Array, bright: Array) -> Array:
    """Lines of one colour on a plain second one."""
    luma = sprite[..., :3] @ LUMA * sprite[..., 3]
    down, across = np.gradient(luma)
    lines = np.clip(np.hypot(down, across) * 8 - f32(0.3), 0, 1)[..., None]
    return _painted(lerp(bright, dark, lines), sprite)


def pixelated(sprite: Array, cells: int) -> Array:
    """Squares of one colour each, ``cells`` across."""
    picture = Image.fromarray((np.clip(sprite, 0, 1) * 255).astype(np.uint8)).convert("RGBa")
    small = picture.resize((cells, cells), Image.Resampling.BOX).convert("RGBA")
    return np.asarray(small.resize(sprite.shape[1::-1], Image.Resampling.NEAREST), f32) / f32(255)


def _painted(colours: Array, sprite: Array) -> Array:
    return np.concatenate([np.broadcast_to(colours, (*sprite.shape[:2], 3)), sprite[..., 3:]], -1).astype(f32)
