"""Things that several contexts share: skies, trees, planks."""

from __future__ import annotations

import math

import numpy as np

from sprites.world.draw import (
    Array,
    Rng,
    below,
    box,
    count,
    disc,
    edge,
    ellipse,
    f32,
    gradient,
    grid,
    jitter,
    lerp,
    noise,
    pick,
    put,
    rgb,
)

WHITE = rgb(255, 255, 255)
SKIES = (rgb(90, 160, 230), rgb(120, 190, 240), rgb(70, 140, 220), rgb(150, 200, 235))
WOODS = (rgb(190, 135, 85), rgb(160, 105, 65), rgb(215, 170, 115), rgb(120, 78, 50), rgb(175, 125, 90))
WALLS = (
    rgb(225, 220, 205), rgb(200, 215, 220), rgb(220, 205, 190), rgb(185, 200, 180), rgb(235, 225, 225),
    rgb(170, 180, 195),
)  # fmt: skip


def sky(rng: Rng, size: int, horizon: float = 1.0) -> Array:
    """A blue canvas, paler towards the horizon, with up to three clouds."""
    top = jitter(rng, pick(rng, SKIES), 0.05)
    canvas = gradient(size, top, lerp(top, rgb(245, 250, 255), rng.uniform(0.4, 0.8)), 0, max(horizon, 0.2))
    for _ in range(count(rng, 0, 4)):
        x, y = rng.uniform(0, 1), rng.uniform(0.05, max(0.1, horizon * 0.7))
        cloud(canvas, x, y, rng.uniform(0.06, 0.14))
    return canvas


def cloud(canvas: Array, x: float, y: float, width: float) -> None:
    """Three overlapping white ellipses."""
    size = canvas.shape[0]
    for dx, scale in ((-0.6, 0.7), (0, 1), (0.7, 0.65)):
        puff = ellipse(size, x + dx * width, y - (scale - 0.7) * width * 0.3, width * scale, width * scale * 0.45)
        put(canvas, puff * f32(0.85), WHITE)


def pine(canvas: Array, x: float, y: float, height: float, colour: Array, snowy: bool = False) -> None:
    """Three stacked triangles on a short trunk that ends at (x, y)."""
    size = canvas.shape[0]
    px, py = grid(size)
    for k in range(3):
        top, tier = y - height + k * height * 0.24, height * (0.42 + 0.1 * k)
        down = (py - f32(top)) / f32(tier)
        triangle = edge(
            np.minimum(down * f32(height * 0.34) - np.abs(px - f32(x)), np.minimum(down, 1 - down) * f32(tier)),
            size,
        )
        put(canvas, triangle, colour * f32(0.85 + 0.1 * k))
        if snowy:
            put(canvas, triangle * edge(f32(0.45) - down, size), rgb(250, 252, 255))
    trunk = box(size, x - height * 0.05, x + height * 0.05, y - height * 0.04, y + height * 0.08)
    put(canvas, trunk, rgb(95, 65, 40))


def palm(canvas: Array, rng: Rng, x: float, y: float, height: float) -> None:
    """A leaning trunk of seven segments under seven leaves."""
    size, segments = canvas.shape[0], 7
    lean = rng.uniform(-0.15, 0.15)
    for k in range(segments):
        up = k / (segments - 1)
        trunk = ellipse(size, x + lean * up * up, y - height * up, 0.022 + 0.012 * (1 - up), height / segments * 0.8)
        put(canvas, trunk, rgb(140, 100, 60))
    green = jitter(rng, rgb(50, 140, 60), 0.08)
    for angle in (-2.7, -2.2, -1.57, -0.9, -0.4, 0.1, 3.0):
        leaf_x, leaf_y = x + lean + math.cos(angle) * height * 0.27, y - height + math.sin(angle) * height * 0.22
        put(canvas, ellipse(size, leaf_x, leaf_y, height * 0.29, height * 0.065, angle), green)


def tree(canvas: Array, rng: Rng, x: float, y: float, height: float, colour: Array) -> None:
    """A trunk that ends at (x, y) under four round tufts."""
    size = canvas.shape[0]
    put(canvas, box(size, x - height * 0.06, x + height * 0.06, y - height * 0.5, y), rgb(105, 72, 45))
    for dx, dy, radius in ((-0.2, -0.55, 0.22), (0.2, -0.55, 0.22), (0, -0.75, 0.26), (0, -0.5, 0.22)):
        put(canvas, disc(size, x + dx * height, y + dy * height, radius * height), jitter(rng, colour, 0.04))


def planks(rng: Rng, size: int, colour: Array, rows: int, upright: bool = False) -> Array:
    """A canvas [S, S, 3] of wooden boards with grain along them and dark seams."""
    px, py = grid(size)
    along, across = (py, px) if upright else (px, py)
    position = across * f32(rows)
    board = np.floor(position).astype(int)
    within = position - board
    tone = rng.uniform(-0.1, 0.1, rows + 2).astype(f32)[board]
    offset = rng.uniform(0, 1, rows + 2).astype(f32)[board]
    fibre = noise(rng, size, 6, size // 2) if upright else noise(rng, size, size // 2, 6)
    canvas = colour * (f32(1) + tone + (fibre - f32(0.5)) * f32(0.28))[..., None]
    length = rng.uniform(0.5, 0.9)
    end = (along / f32(length) + offset) % 1
    long_seam = np.clip(1 - np.minimum(within, 1 - within) / rows * size * f32(0.9), 0, 1)
    short_seam = np.clip(1 - np.minimum(end, 1 - end) * f32(length) * size, 0, 1)
    seams = np.maximum(long_seam, short_seam)
    wood: Array = (canvas * (f32(1) - f32(0.45) * seams)[..., None]).astype(f32)
    return wood


def back_wall(rng: Rng, size: int, spread: float, darker: float, height: float = 1.0) -> Array:
    """A canvas [S, S, 3] of a painted wall, darker towards ``height``."""
    colour = jitter(rng, pick(rng, WALLS), spread)
    return gradient(size, colour, colour * f32(darker), 0, height)


def hill(canvas: Array, heights: float | Array, ground: Array) -> None:
    """Paints ``ground`` (colour or canvas) below a level or profile."""
    put(canvas, below(canvas.shape[0], heights), ground)
