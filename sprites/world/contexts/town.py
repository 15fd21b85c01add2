"""Contexts made by people: city, street, houses, a room."""

from __future__ import annotations

import numpy as np

from sprites.world.contexts.backdrop import Backdrop
from sprites.world.draw import (
    Array,
    Rng,
    bar,
    box,
    count,
    disc,
    edge,
    f32,
    gradient,
    grid,
    jitter,
    lerp,
    pick,
    put,
    rgb,
    rough,
)
from sprites.world.scenery import WOODS, back_wall, hill, planks, sky

FRAME = rgb(250, 250, 248)


def city(rng: Rng, size: int) -> Backdrop:
    """Two rows of houses, by day or at dusk with lit windows."""
    horizon, dusk = rng.uniform(0.6, 0.72), rng.random() >= 0.65
    if dusk:
        canvas = gradient(size, jitter(rng, rgb(35, 35, 80), 0.04), jitter(rng, rgb(230, 140, 110), 0.06), 0, horizon)
    else:
        canvas = sky(rng, size, horizon)
    for row in range(2):
        number = count(rng, 6, 10)
        edges = np.linspace(-0.05, 1.05, number + 1) + rng.uniform(-0.03, 0.03, number + 1)
        for k in range(number):
            top = horizon - (rng.uniform(0.25, 0.5) if row == 0 else rng.uniform(0.1, 0.38))
            house = box(size, edges[k], edges[k + 1] - 0.008, top, horizon + 0.02)
            _city_house(canvas, rng, house, row, k, dusk)
    ground = jitter(rng, pick(rng, [rgb(110, 110, 115), rgb(140, 140, 140), rgb(95, 140, 80)]), 0.04)
    hill(canvas, horizon, rough(rng, size, ground, 0.04))
    return Backdrop(canvas, horizon + 0.04)


def _city_house(canvas: Array, rng: Rng, house: Array, row: int, number: int, dusk: bool) -> None:
    x, y = grid(canvas.shape[0])
    walls = [rgb(120, 130, 150), rgb(150, 140, 135), rgb(95, 105, 125), rgb(170, 120, 100)]
    wall = jitter(rng, pick(rng, walls), 0.06)
    haze = rgb(120, 80, 100) if dusk else rgb(190, 205, 225)
    put(canvas, house, lerp(wall * f32(0.4) if dusk else wall, haze, 0.45 * (1 - row)))
    if row:
        windows = (np.sin(x * f32(110)) > 0.3) & (np.sin(y * f32(95) + f32(number)) > 0.2)
        lit = dusk or number % 2
        put(canvas, house * windows * f32(0.6), rgb(255, 230, 150) if lit else rgb(60, 75, 100))


def street(rng: Rng, size: int) -> Backdrop:
    """The city behind a pavement and a road with a dashed line."""
    canvas, horizon, _ = city(rng, size)
    horizon -= 0.04
    x, _ = grid(size)
    hill(canvas, horizon, rough(rng, size, jitter(rng, rgb(85, 87, 92), 0.03), 0.04))
    put(canvas, bar(size, horizon, horizon + 0.07), jitter(rng, rgb(185, 180, 172), 0.03))
    dashes = np.sin(x * f32(22) + f32(rng.uniform(0, 6))) > 0
    put(canvas, bar(size, 0.88, 0.905) * dashes, rgb(245, 240, 220))
    return Backdrop(canvas, horizon + 0.1)


def eiffel_tower(rng: Rng, size: int) -> Backdrop:
    """The tower with its arch, lattice and two platforms, over bushes and a lawn."""
    horizon = rng.uniform(0.68, 0.78)
    if rng.random() < 0.75:
        canvas = sky(rng, size, horizon)
    else:
        canvas = gradient(size, jitter(rng, rgb(60, 60, 120), 0.05), jitter(rng, rgb(240, 160, 120), 0.05), 0, horizon)
    x, top = rng.uniform(0.2, 0.8), rng.uniform(0.02, 0.12)
    iron = jitter(rng, pick(rng, [rgb(120, 90, 70), rgb(95, 80, 75), rgb(140, 110, 85)]), 0.03)
    _tower(canvas, x, top, horizon, iron)
    green = jitter(rng, rgb(105, 160, 80), 0.05)
    for _ in range(5):
        put(canvas, disc(size, rng.uniform(0, 1), horizon + 0.01, rng.uniform(0.03, 0.07)), green * f32(0.75))
    hill(canvas, horizon, rough(rng, size, green, 0.06))
    return Backdrop(canvas, horizon + 0.04)


def _tower(canvas: Array, x: float, top: float, foot: float, iron: Array) -> None:
    size, (px, py) = canvas.shape[0], grid(canvas.shape[0])
    height = foot - top
    scale = f32(height / 0.65)
    aside = np.abs(px - f32(x))
    down = np.clip((py - f32(top)) / f32(height), 0, 1)
    width = (f32(0.012) + f32(0.2) * down ** f32(2.6)) * scale
    body = edge(width - aside, size) * edge(py - f32(top), size) * edge(f32(foot + 0.01) - py, size)
    lattice = f32(0.75) + f32(0.25) * np.sign(np.sin((px + py) * f32(75)) * np.sin((px - py) * f32(75)))
    arch_distance = np.sqrt(aside**2 + ((py - f32(foot + 0.01)) * f32(0.85)) ** 2)
    arch = edge(f32(0.115 * height / 0.65) - arch_distance, size)
    gap = edge(width * f32(0.45) - aside, size) * edge(down - f32(0.42), size) * edge(f32(0.64) - down, size)
    put(canvas, body * (1 - arch) * (1 - gap * f32(0.8)) * lattice, iron)
    for share, extra in ((0.38, 0.02), (0.68, 0.03)):
        half = f32(0.012 + 0.2 * share**2.6) * scale + f32(extra)
        platform = edge(half - aside, size) * edge(f32(0.014) - np.abs(py - f32(top + share * height)), size)
        put(canvas, platform, iron * f32(0.8))


def blue_house(rng: Rng, size: int) -> Backdrop:
    """A blue house with a roof, two windows and a door, on a lawn."""
    horizon = rng.uniform(0.6, 0.7)
    canvas = sky(rng, size, horizon)
    x, half = rng.uniform(0.3, 0.7), rng.uniform(0.24, 0.32)
    top = horizon - rng.uniform(0.28, 0.34)
    px, py = grid(size)
    blue = jitter(rng, pick(rng, [rgb(60, 110, 190), rgb(90, 150, 215), rgb(50, 90, 160)]), 0.03)
    put(canvas, box(size, x - half, x + half, top, horizon + 0.02), blue)
    slope = (py - f32(top - 0.2)) / f32(0.2) * f32(half + 0.05) - np.abs(px - f32(x))
    roof = jitter(rng, pick(rng, [rgb(150, 70, 55), rgb(90, 80, 85), rgb(60, 65, 80)]), 0.03)
    put(canvas, edge(slope, size) * edge(f32(top) - py, size), roof)
    for side in (-0.6, 0.6):
        middle = x + side * half
        put(canvas, box(size, middle - 0.05, middle + 0.05, top + 0.06, top + 0.16), rgb(250, 250, 245))
        put(canvas, box(size, middle - 0.035, middle + 0.035, top + 0.075, top + 0.145), rgb(150, 195, 220))
    put(canvas, box(size, x - 0.045, x + 0.045, horizon - 0.16, horizon + 0.02), rgb(240, 235, 225))
    hill(canvas, horizon, rough(rng, size, jitter(rng, rgb(110, 165, 80), 0.05), 0.06))
    return Backdrop(canvas, horizon + 0.05)


def room(rng: Rng, size: int) -> Backdrop:
    """A painted wall with a window, a skirting board and a wooden floor."""
    horizon = rng.uniform(0.6, 0.72)
    canvas = back_wall(rng, size, 0.08, 0.92, horizon)
    x, y, half = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.3), rng.uniform(0.12, 0.18)
    put(canvas, box(size, x - half, x + half, y - half, y + half), FRAME)
    put(canvas, box(size, x - half + 0.02, x + half - 0.02, y - half + 0.02, y + half - 0.02), sky(rng, size, 0.5))
    put(canvas, box(size, x - 0.008, x + 0.008, y - half, y + half), FRAME)
    put(canvas, box(size, x - half, x + half, y - 0.008, y + 0.008), FRAME)
    hill(canvas, horizon, planks(rng, size, jitter(rng, pick(rng, WOODS), 0.05), 14))
    put(canvas, bar(size, horizon - 0.025, horizon), rgb(248, 248, 245))
    return Backdrop(canvas, horizon + 0.05)
