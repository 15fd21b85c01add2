"""Contexts in the open country."""

from __future__ import annotations

import numpy as np

from sprites.world.contexts.backdrop import Backdrop
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
    flat,
    gradient,
    grain,
    grid,
    jitter,
    lerp,
    noise,
    pick,
    put,
    rgb,
    ridge,
    rough,
    speckle,
    wave,
)
from sprites.world.scenery import WHITE, hill, palm, pine, sky, tree

AUTUMN = (rgb(225, 110, 40), rgb(205, 60, 40), rgb(235, 170, 50), rgb(190, 90, 40))


def beach(rng: Rng, size: int) -> Backdrop:
    """Sky, a strip of sea with surf, sand, sometimes the sun and a palm."""
    horizon = rng.uniform(0.3, 0.5)
    canvas = sky(rng, size, horizon)
    if rng.random() < 0.5:
        sun = disc(size, rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.25), rng.uniform(0.05, 0.09))
        put(canvas, sun, rgb(255, 235, 130))
    sea = jitter(rng, pick(rng, [rgb(30, 140, 190), rgb(40, 170, 190), rgb(40, 110, 190)]), 0.04)
    shore = horizon + rng.uniform(0.1, 0.18)
    hill(canvas, horizon, sea)
    put(canvas, below(size, (horizon + shore) / 2) * f32(0.5), rgb(130, 220, 225))
    line = wave(rng, size, 0.015, 1.2, shore)
    hill(canvas, line - f32(0.025), rgb(250, 255, 255))
    hill(canvas, line, rough(rng, size, jitter(rng, rgb(235, 210, 155), 0.05), 0.06))
    if rng.random() < 0.5:
        x = pick(rng, [rng.uniform(0.05, 0.22), rng.uniform(0.78, 0.95)])
        y, height = shore + rng.uniform(0.05, 0.2), rng.uniform(0.45, 0.65)
        palm(canvas, rng, x, y, height)
    return Backdrop(canvas, shore + 0.05)


def snow(rng: Rng, size: int) -> Backdrop:
    """A pale sky, pines and snow-covered ground, mostly with flakes in the air."""
    horizon = rng.uniform(0.35, 0.55)
    air = jitter(rng, pick(rng, [rgb(175, 200, 225), rgb(200, 210, 220), rgb(150, 190, 230)]), 0.04)
    canvas = gradient(size, air, lerp(air, WHITE, 0.6), 0, horizon)
    for _ in range(count(rng, 2, 7)):
        x, y, height = rng.uniform(0, 1), horizon + rng.uniform(0, 0.05), rng.uniform(0.15, 0.4)
        pine(canvas, x, y, height, jitter(rng, rgb(45, 100, 85), 0.06), rng.random() < 0.8)
    line = wave(rng, size, 0.02, 0.9, horizon)
    ground = gradient(size, rgb(248, 251, 255), jitter(rng, rgb(205, 220, 240), 0.04), horizon, 1)
    hill(canvas, line, grain(ground, rng, 0.03, size // 4))
    if rng.random() < 0.7:
        speckle(canvas, rng, count(rng, 15, 70), WHITE, 0.9)
    return Backdrop(canvas, horizon + 0.06)


def jungle(rng: Rng, size: int) -> Backdrop:
    """Dark green with a patch of light, stems, and leaves that frame the picture."""
    base = jitter(rng, rgb(20, 75, 40), 0.05)
    canvas = grain(gradient(size, base * f32(1.3), base * f32(0.6)), rng, 0.08, 8)
    light = disc(size, rng.uniform(0.2, 0.8), rng.uniform(0.1, 0.4), rng.uniform(0.15, 0.3))
    put(canvas, light * f32(0.35), rgb(170, 220, 130))
    for _ in range(count(rng, 2, 5)):
        x = rng.uniform(0, 1)
        put(canvas, box(size, x - 0.02, x + 0.02, 0, 0.8), jitter(rng, rgb(70, 60, 35), 0.04))
    for _ in range(count(rng, 12, 18)):
        _jungle_leaf(canvas, rng)
    ground = rough(rng, size, jitter(rng, rgb(60, 95, 40), 0.05), 0.1)
    hill(canvas, wave(rng, size, 0.02, 1.5, 0.78), ground)
    return Backdrop(canvas, 0.72)


def _jungle_leaf(canvas: Array, rng: Rng) -> None:
    size, side, angle = canvas.shape[0], rng.random(), rng.uniform(0, 6.3)
    if side < 0.4:
        x, y = pick(rng, [rng.uniform(-0.05, 0.25), rng.uniform(0.75, 1.05)]), rng.uniform(0, 1)
    elif side < 0.8:
        x, y = rng.uniform(0, 1), rng.uniform(-0.05, 0.2)
    else:
        x, y = rng.uniform(0, 1), rng.uniform(0.85, 1.05)
    length = rng.uniform(0.1, 0.22)
    greens = [rgb(40, 130, 50), rgb(70, 165, 60), rgb(25, 100, 60), rgb(110, 180, 60)]
    green = jitter(rng, pick(rng, greens), 0.06)
    put(canvas, ellipse(size, x, y, length, length * 0.32, angle), green)
    put(canvas, ellipse(size, x, y, length * 0.9, 0.008, angle) * f32(0.5), green * f32(0.6))


def forest(rng: Rng, size: int) -> Backdrop:
    """Two rows of trunks under dark foliage."""
    horizon = rng.uniform(0.5, 0.65)
    canvas = gradient(size, jitter(rng, rgb(120, 165, 120), 0.06), jitter(rng, rgb(185, 210, 165), 0.05), 0, horizon)
    for row in range(2):
        for _ in range(count(rng, 4, 7)):
            x, width = rng.uniform(0, 1), rng.uniform(0.015, 0.03) * (1 + row)
            bark = lerp(rgb(90, 110, 85), jitter(rng, rgb(90, 62, 42), 0.05), 0.25 + 0.75 * row)
            put(canvas, box(size, x - width, x + width, 0, horizon + 0.05 * row + 0.02), bark)
    for _ in range(8):
        leaves = disc(size, rng.uniform(0, 1), rng.uniform(-0.05, 0.12), rng.uniform(0.1, 0.17))
        put(canvas, leaves, jitter(rng, rgb(45, 105, 50), 0.08))
    ground = gradient(size, jitter(rng, rgb(95, 130, 65), 0.05), jitter(rng, rgb(70, 95, 45), 0.05), horizon, 1)
    grain(ground, rng, 0.1)
    hill(canvas, wave(rng, size, 0.01, 2, horizon), ground)
    return Backdrop(canvas, horizon + 0.05)


def mountain(rng: Rng, size: int) -> Backdrop:
    """A near ridge with snow on its peaks before a far one, and a meadow."""
    horizon = rng.uniform(0.5, 0.65)
    canvas = sky(rng, size, horizon)
    rock = jitter(rng, pick(rng, [rgb(105, 115, 135), rgb(120, 105, 100), rgb(90, 110, 140)]), 0.05)
    far = ridge(rng, size, horizon + 0.02, rng.uniform(0.2, 0.3), 7)
    hill(canvas, far, lerp(rock, rgb(200, 215, 235), 0.5))
    near = ridge(rng, size, horizon + 0.02, rng.uniform(0.36, 0.5), pick(rng, [4, 5, 6]))
    mask = below(size, near)
    put(canvas, mask, rock)
    _, y = grid(size)
    uneven = (noise(rng, size, 12) - f32(0.5)) * f32(0.12)
    snow_line = f32(near.min() + rng.uniform(0.09, 0.16))
    put(canvas, mask * edge(snow_line + uneven - y, size), rgb(250, 252, 255))
    lit_side = np.roll(near, max(1, size // 20))[None] + f32(0.02)
    put(canvas, mask * edge(lit_side - y + uneven, size) * f32(0.15), WHITE)
    ground = rough(rng, size, jitter(rng, rgb(105, 160, 75), 0.06), 0.06)
    hill(canvas, wave(rng, size, 0.015, 1, horizon), ground)
    return Backdrop(canvas, horizon + 0.05)


def grass(rng: Rng, size: int) -> Backdrop:
    """A meadow under the sky or seen from above, sometimes with flowers."""
    horizon = rng.uniform(0.15, 0.5) if rng.random() < 0.6 else 0.0
    canvas = sky(rng, size, horizon + 0.2) if horizon else flat(size, rgb(0, 0, 0))
    green = jitter(rng, pick(rng, [rgb(90, 165, 60), rgb(110, 180, 70), rgb(70, 140, 60)]), 0.05)
    meadow = gradient(size, lerp(green, rgb(190, 220, 120), 0.25), green * f32(0.85), horizon, 1)
    meadow += _blades(rng, size, size // 4, 0.3) * rgb(200, 255, 120)
    line = wave(rng, size, 0.012, 1, horizon) if horizon else wave(rng, size, 0, 1, -0.1)
    hill(canvas, line, meadow)
    if rng.random() < 0.3:
        speckle(canvas, rng, 20, pick(rng, [WHITE, rgb(255, 225, 70)]), 1, (horizon + 0.1, 1))
    return Backdrop(canvas, max(horizon + 0.08, 0.3))


def _blades(rng: Rng, size: int, rows: int, amount: float) -> Array:
    """Noise [S, S, 1] around 0, stretched upwards."""
    return ((noise(rng, size, rows, size) - f32(0.5)) * f32(amount))[..., None]


def desert(rng: Rng, size: int) -> Backdrop:
    """Three dunes, often with the sun, up to two cacti."""
    horizon = rng.uniform(0.4, 0.55)
    air = jitter(rng, pick(rng, [rgb(110, 180, 230), rgb(245, 200, 140), rgb(150, 200, 235)]), 0.04)
    canvas = gradient(size, air, lerp(air, rgb(255, 245, 220), 0.6), 0, horizon)
    if rng.random() < 0.6:
        sun = disc(size, rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.25), rng.uniform(0.06, 0.1))
        put(canvas, sun, rgb(255, 240, 180))
    sand = jitter(rng, pick(rng, [rgb(230, 180, 105), rgb(215, 150, 85), rgb(235, 195, 130)]), 0.04)
    for k in range(3):
        line = wave(rng, size, 0.04, 0.7, horizon + k * 0.13)
        hill(canvas, line, rough(rng, size, sand * f32(1.05 - 0.09 * k), 0.03))
    for _ in range(count(rng, 0, 3)):
        x, y = rng.uniform(0.05, 0.95), horizon + rng.uniform(0.05, 0.15)
        _cactus(canvas, rng, x, y, rng.uniform(0.15, 0.3))
    return Backdrop(canvas, horizon + 0.12)


def _cactus(canvas: Array, rng: Rng, x: float, y: float, height: float) -> None:
    size, green = canvas.shape[0], jitter(rng, rgb(60, 130, 75), 0.05)
    put(canvas, ellipse(size, x, y - height / 2, 0.03, height / 2), green)
    put(canvas, box(size, x - 0.08, x, y - height * 0.5, y - height * 0.5 + 0.03), green)
    put(canvas, box(size, x - 0.085, x - 0.055, y - height * 0.75, y - height * 0.45), green)
    put(canvas, box(size, x, x + 0.08, y - height * 0.4, y - height * 0.4 + 0.03), green)
    put(canvas, box(size, x + 0.055, x + 0.085, y - height * 0.68, y - height * 0.35), green)


def wheat(rng: Rng, size: int) -> Backdrop:
    """A golden field under the sky."""
    horizon = rng.uniform(0.3, 0.5)
    canvas = sky(rng, size, horizon)
    gold = jitter(rng, pick(rng, [rgb(220, 175, 75), rgb(230, 190, 95), rgb(205, 155, 60)]), 0.04)
    field = gradient(size, gold * f32(1.08), gold * f32(0.8), horizon, 1)
    field += _blades(rng, size, size // 8, 0.4) * rgb(255, 220, 130)
    hill(canvas, wave(rng, size, 0.01, 3, horizon), field)
    return Backdrop(canvas, horizon + 0.12)


def autumn(rng: Rng, size: int) -> Backdrop:
    """One or two trees in red and gold, leaves on the ground and in the air."""
    horizon = rng.uniform(0.5, 0.65)
    canvas = gradient(size, jitter(rng, rgb(190, 210, 225), 0.05), jitter(rng, rgb(240, 230, 205), 0.05), 0, horizon)
    hill(canvas, horizon, rough(rng, size, jitter(rng, rgb(165, 120, 65), 0.06), 0.1))
    if rng.random() < 0.6:
        places = [rng.uniform(0.05, 0.3), rng.uniform(0.7, 0.95)]
    else:
        places = [pick(rng, [rng.uniform(0.1, 0.3), rng.uniform(0.7, 0.9)])]
    for x in places:
        y, height = horizon + rng.uniform(0.02, 0.1), rng.uniform(0.55, 0.75)
        tree(canvas, rng, x, y, height, pick(rng, AUTUMN))
    for _ in range(3):
        leaf = jitter(rng, pick(rng, AUTUMN), 0.04)
        speckle(canvas, rng, 14 * size // 64, leaf, 1, (horizon + 0.04, 1), wide=True)
    speckle(canvas, rng, 8, pick(rng, AUTUMN), 1, (0.1, horizon), wide=True)
    return Backdrop(canvas, horizon + 0.06)


def sunflowers(rng: Rng, size: int) -> Backdrop:
    """A meadow full of sunflowers, larger in front."""
    canvas, horizon, _ = grass(rng, size)
    number = count(rng, 7, 13)
    for y in np.sort(rng.uniform(max(horizon - 0.15, 0.15), 1, number)).tolist():
        x, radius = rng.uniform(0, 1), 0.03 + 0.05 * y
        put(canvas, box(size, x - 0.007, x + 0.007, y, y + 0.12), rgb(60, 125, 50))
        put(canvas, disc(size, x, y, radius), jitter(rng, rgb(250, 200, 40), 0.03))
        put(canvas, disc(size, x, y, radius * 0.5), rgb(100, 62, 30))
    return Backdrop(canvas, max(horizon, 0.4))


def dirt_road(rng: Rng, size: int) -> Backdrop:
    """A road that narrows towards the horizon, three trees beside it."""
    horizon = rng.uniform(0.35, 0.5)
    canvas = sky(rng, size, horizon)
    line = wave(rng, size, 0.01, 1, horizon)
    hill(canvas, line, rough(rng, size, jitter(rng, rgb(110, 150, 75), 0.06), 0.08))
    px, py = grid(size)
    x = rng.uniform(0.35, 0.65)
    near = np.clip((py - f32(horizon)) / f32(1 - horizon), 0, 1)
    aside = np.abs(px - f32(0.5) - f32(x - 0.5) * (1 - near))
    road = edge(f32(0.03) + f32(0.5) * near - aside, size) * edge(py - f32(horizon), size)
    put(canvas, road, rough(rng, size, jitter(rng, rgb(165, 125, 85), 0.05), 0.09))
    for _ in range(3):
        x = pick(rng, [rng.uniform(0, 0.2), rng.uniform(0.8, 1)])
        tree(canvas, rng, x, horizon + 0.05, rng.uniform(0.2, 0.35), jitter(rng, rgb(60, 120, 60), 0.06))
    return Backdrop(canvas, horizon + 0.12)
