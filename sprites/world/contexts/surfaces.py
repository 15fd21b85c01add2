"""Contexts that fill the picture with one material: wood, brick, tiles, cobbles, rugs, fabric, plain colour."""

from __future__ import annotations

import math

import numpy as np

from sprites.world.contexts.backdrop import Backdrop, Ground
from sprites.world.contexts.land import forest
from sprites.world.draw import (
    Array,
    Rng,
    bar,
    below,
    count,
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
    rough,
)
from sprites.world.scenery import WALLS, WOODS, back_wall, hill, planks

RUGS = {
    "purple": rgb(125, 65, 160),
    "red": rgb(185, 45, 50),
    "blue": rgb(55, 85, 175),
    "green": rgb(60, 130, 80),
    "white": rgb(240, 238, 232),
    "pink": rgb(235, 140, 175),
}
FABRICS = {
    "pink": rgb(240, 150, 180),
    "red": rgb(190, 40, 45),
    "blue": rgb(70, 110, 190),
    "white": rgb(240, 238, 235),
    "green": rgb(80, 150, 100),
    "purple": rgb(140, 90, 180),
}
BACKGROUNDS = {
    "red": rgb(215, 45, 45),
    "blue": rgb(50, 100, 215),
    "green": rgb(60, 165, 80),
    "yellow": rgb(250, 215, 60),
    "purple": rgb(140, 70, 190),
    "pink": rgb(245, 150, 190),
    "orange": rgb(245, 145, 45),
    "white": rgb(248, 248, 248),
    "gray": rgb(150, 150, 152),
    "black": rgb(22, 22, 26),
}
TILES = (
    (rgb(240, 240, 240), rgb(35, 35, 40)),
    (rgb(245, 240, 225), rgb(180, 60, 50)),
    (rgb(245, 245, 245), rgb(70, 110, 170)),
    (rgb(235, 230, 210), rgb(70, 130, 90)),
)


def wooden_floor(rng: Rng, size: int) -> Backdrop:
    """Boards that fill the picture or end at a wall."""
    colour = jitter(rng, pick(rng, WOODS), 0.05)
    canvas = planks(rng, size, colour, count(rng, 5, 10), rng.random() < 0.4)
    horizon = 0.3
    if rng.random() < 0.45:
        horizon = rng.uniform(0.3, 0.5)
        put(canvas, 1 - below(size, horizon), back_wall(rng, size, 0.05, 0.93))
        put(canvas, bar(size, horizon - 0.03, horizon), rgb(245, 245, 240))
    return Backdrop(canvas, horizon + 0.1)


def brick_wall(rng: Rng, size: int) -> Backdrop:
    """Offset rows of bricks, sometimes with a pavement."""
    x, y = grid(size)
    rows = count(rng, 7, 12)
    bricks = [rgb(170, 80, 60), rgb(150, 70, 55), rgb(185, 105, 75), rgb(200, 190, 180)]
    colour = jitter(rng, pick(rng, bricks), 0.05)
    v = y * f32(rows)
    row = np.floor(v).astype(int)
    u = x * f32(rows * 0.5) + (row % 2) * f32(0.5)
    column = np.floor(u).astype(int)
    tone = rng.uniform(-0.15, 0.15, (rows + 1, rows + 2)).astype(f32)[row, column]
    to_row, to_column = np.minimum(v - row, 1 - (v - row)), np.minimum(u - column, 1 - (u - column))
    to_joint = np.minimum(to_row / f32(rows), to_column / f32(rows * 0.5))
    brick = edge(to_joint - f32(0.008), size)[..., None]
    mortar = jitter(rng, rgb(205, 200, 190), 0.04)
    canvas = lerp(mortar, colour * (f32(1) + tone)[..., None], brick).astype(f32)
    grain(canvas, rng, 0.04)
    if rng.random() < 0.4:
        hill(canvas, 0.82, rough(rng, size, jitter(rng, rgb(130, 128, 125), 0.04), 0.04))
    return Backdrop(canvas, 0.78, Ground.WALL)


def checkered_floor(rng: Rng, size: int) -> Backdrop:
    """Tiles in two colours, seen from above or in perspective before a wall."""
    x, y = grid(size)
    horizon = rng.uniform(0.25, 0.45) if rng.random() < 0.7 else -1.0
    light, dark = pick(rng, TILES)
    if horizon < 0:
        tiles = rng.uniform(5, 9)
        u, v = x * f32(tiles) + f32(rng.random()), y * f32(tiles) + f32(rng.random())
        sharpness: float | Array = tiles / math.pi
    else:
        depth = f32(1) / np.maximum(y - f32(horizon - 0.12), f32(0.02))
        u = (x - f32(0.5)) * depth * f32(1.6) + f32(50 + rng.random())
        v = depth * f32(1.5) + f32(rng.random())
        sharpness = depth * f32(0.6)
    sign = np.sin(u * f32(math.pi)) * np.sin(v * f32(math.pi))
    mask = np.clip(sign * size / (sharpness * 8) + f32(0.5), 0, 1) * np.ones((size, size), f32)
    canvas = lerp(light, dark, mask[..., None]).astype(f32)
    if horizon > 0:
        wall = jitter(rng, pick(rng, WALLS), 0.06)
        put(canvas, 1 - below(size, horizon), wall)
        put(canvas, bar(size, horizon - 0.025, horizon), wall * f32(0.75))
    return Backdrop(canvas, max(horizon + 0.1, 0.3))


def cobblestones(rng: Rng, size: int) -> Backdrop:
    """Round stones, from above or up to a brick wall."""
    x, y = grid(size)
    rows = count(rng, 7, 11)
    horizon = rng.uniform(0.25, 0.4) if rng.random() < 0.5 else -1.0
    far = np.maximum(y - f32(horizon), 0) ** f32(0.75) * f32(rows * 1.1)
    v = y * f32(rows) if horizon < 0 else far
    row = np.floor(v).astype(int)
    u = x * f32(rows) + (row % 2) * f32(0.5)
    column = np.floor(u).astype(int)
    tone = rng.uniform(-0.18, 0.18, (rows + 3, rows + 3)).astype(f32)[np.clip(row, 0, rows + 2), column]
    distance = np.sqrt(((u - column) - f32(0.5)) ** 2 + ((v - row) - f32(0.5)) ** 2)
    stone = np.clip((f32(0.52) - distance) * size / rows, 0, 1)[..., None]
    colour = jitter(rng, pick(rng, [rgb(150, 145, 140), rgb(135, 125, 120), rgb(160, 150, 135)]), 0.04)
    canvas = lerp(colour * f32(0.45), colour * (f32(1.1) + tone - distance * f32(0.3))[..., None], stone).astype(f32)
    if horizon > 0:
        put(canvas, 1 - below(size, horizon), brick_wall(rng, size).canvas)
    return Backdrop(canvas, max(horizon + 0.1, 0.3))


def rug(rng: Rng, size: int, colour: str) -> Backdrop:
    """An oval rug with a border, on a wooden floor or (one in three) in the forest."""
    canvas = pick(rng, [wooden_floor, forest, wooden_floor])(rng, size).canvas
    height = rng.uniform(0.16, 0.22)
    cloth = jitter(rng, RUGS[colour], 0.03)
    width = rng.uniform(0.42, 0.52)
    for scale, tone in ((1.0, 0.7), (0.93, 1.0), (0.72, 0.85), (0.66, 1.0)):
        border = f32(0.1 if tone < 1 and scale < 0.9 else 0)
        put(canvas, ellipse(size, 0.5, 0.8, width * scale, height * scale), cloth * f32(tone) + border)
    return Backdrop(canvas, 0.72)


def fabric(rng: Rng, size: int, colour: str) -> Backdrop:
    """Folded cloth."""
    x, y = grid(size)
    crease = noise(rng, size, 4)
    angle = rng.uniform(0, 3.1)
    along = x * f32(math.cos(angle)) + y * f32(math.sin(angle))
    folds = np.sin(along * f32(rng.uniform(12, 22)) + crease * f32(8))
    cloth = jitter(rng, FABRICS[colour], 0.04) * (f32(0.95) + f32(0.16) * folds)[..., None]
    return Backdrop(cloth.astype(f32), 0.3, Ground.WALL)


def background(rng: Rng, size: int, colour: str) -> Backdrop:
    """One colour: even, darker at the foot, or darker at the rim."""
    shade = BACKGROUNDS[colour]
    if colour in ("white", "gray", "black"):
        shade = np.clip(shade + f32(rng.uniform(-0.05, 0.05)), 0, 1)
    else:
        shade = jitter(rng, shade, 0.04)
    kind = rng.random()
    if kind < 0.35:
        canvas = flat(size, shade)
    elif kind < 0.7:
        canvas = gradient(size, np.clip(shade * f32(1.08), 0, 1), shade * f32(rng.uniform(0.82, 0.95)))
    else:
        x, y = grid(size)
        distance = np.sqrt((x - f32(0.5)) ** 2 + (y - f32(0.45)) ** 2)
        canvas = (shade * (f32(1.06) - f32(0.35) * distance)[..., None]).astype(f32)
    return Backdrop(canvas, 0.4, Ground.WALL)
