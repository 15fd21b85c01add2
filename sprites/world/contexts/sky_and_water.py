"""Contexts of the sky and of the water: night, sunset, space, rain; under the sea, on water, on milk."""

from __future__ import annotations

import numpy as np

from sprites.world.contexts.backdrop import Backdrop, Ground
from sprites.world.draw import (
    Array,
    Rng,
    below,
    count,
    disc,
    edge,
    ellipse,
    f32,
    flat,
    gradient,
    grid,
    jitter,
    lerp,
    noise,
    pick,
    put,
    rgb,
    rough,
    speckle,
    stripes,
    wave,
)
from sprites.world.scenery import WHITE, hill, sky


def night(rng: Rng, size: int) -> Backdrop:
    """Stars, often a full or crescent moon, dark ground."""
    dark = jitter(rng, pick(rng, [rgb(12, 16, 50), rgb(20, 15, 55), rgb(8, 22, 48)]), 0.02)
    horizon = rng.uniform(0.7, 0.85)
    canvas = gradient(size, dark, dark * f32(1.6) + rgb(12, 12, 30), 0, 1)
    speckle(canvas, rng, count(rng, 25, 80) * (size // 64), rgb(255, 250, 220), 0.9, (0, horizon))
    if rng.random() < 0.65:
        x, y, radius = rng.uniform(0.1, 0.9), rng.uniform(0.08, 0.25), rng.uniform(0.05, 0.1)
        moon = disc(size, x, y, radius)
        if rng.random() < 0.5:
            moon = moon * (1 - disc(size, x + radius * 0.55, y - radius * 0.2, radius * 0.9))
        put(canvas, moon, rgb(250, 240, 195))
    hill(canvas, wave(rng, size, 0.03, 0.8, horizon), jitter(rng, rgb(15, 25, 25), 0.02))
    return Backdrop(canvas, horizon + 0.02)


def sunset(rng: Rng, size: int) -> Backdrop:
    """A low sun over glittering water or dark land."""
    horizon = rng.uniform(0.55, 0.7)
    high = jitter(rng, pick(rng, [rgb(90, 50, 120), rgb(200, 70, 90), rgb(70, 60, 140)]), 0.05)
    low = jitter(rng, rgb(255, 175, 80), 0.06)
    canvas = gradient(size, high, low, 0, horizon)
    px, py = grid(size)
    x = rng.uniform(0.15, 0.85)
    glow = np.exp(-((px - f32(x)) ** 2 + (py - f32(horizon)) ** 2) * f32(9))
    put(canvas, glow * f32(0.5), rgb(255, 225, 120))
    sun = disc(size, x, horizon - rng.uniform(0, 0.08), rng.uniform(0.09, 0.15))
    put(canvas, sun, jitter(rng, rgb(255, 235, 150), 0.05))
    if rng.random() < 0.6:
        water = below(size, horizon)
        put(canvas, water, gradient(size, lerp(low, high, 0.45), high * f32(0.6), horizon, 1))
        path = np.exp(-(((px - f32(x)) / f32(0.14)) ** 2))
        put(canvas, water * stripes(py * f32(90)) * path * f32(0.8), rgb(255, 220, 130))
    else:
        hill(canvas, wave(rng, size, 0.03, 0.8, horizon), jitter(rng, rgb(50, 30, 45), 0.03))
    return Backdrop(canvas, horizon + 0.06)


def space(rng: Rng, size: int) -> Backdrop:
    """A nebula, stars and one or two planets."""
    canvas = flat(size, jitter(rng, rgb(12, 8, 28), 0.02))
    nebula = noise(rng, size, 5) ** 2
    hue = jitter(rng, pick(rng, [rgb(90, 40, 130), rgb(30, 70, 140), rgb(130, 40, 80)]), 0.05)
    canvas += nebula[..., None] * hue * f32(0.9)
    speckle(canvas, rng, 70 * size // 64, WHITE, 0.9)
    for _ in range(count(rng, 1, 3)):
        _planet(canvas, rng)
    return Backdrop(canvas, 0.5, Ground.NONE)


def _planet(canvas: Array, rng: Rng) -> None:
    size, x = canvas.shape[0], rng.uniform(0.05, 0.95)
    y, r = pick(rng, [rng.uniform(0.05, 0.3), rng.uniform(0.7, 0.95)]), rng.uniform(0.06, 0.16)
    colours = [rgb(220, 140, 80), rgb(120, 170, 220), rgb(190, 110, 170), rgb(150, 200, 150)]
    colour = jitter(rng, pick(rng, colours), 0.06)
    put(canvas, disc(size, x, y, r), colour)
    put(canvas, disc(size, x, y, r) * (1 - disc(size, x - r * 0.3, y - r * 0.3, r)), colour * f32(0.5))
    if rng.random() < 0.5:
        ring = ellipse(size, x, y, r * 1.7, r * 0.35, 0.4) * (1 - ellipse(size, x, y, r * 1.4, r * 0.2, 0.4))
        put(canvas, ring, colour * f32(0.8) + f32(0.15))


def rain(rng: Rng, size: int) -> Backdrop:
    """Grey clouds and puddles; ``rain_drops`` falls over the subject too."""
    horizon = rng.uniform(0.5, 0.65)
    grey = jitter(rng, rgb(120, 130, 145), 0.04)
    canvas = gradient(size, grey * f32(0.8), grey * f32(1.2), 0, horizon)
    for _ in range(4):
        put(canvas, ellipse(size, rng.uniform(0, 1), rng.uniform(0, 0.15), 0.25, 0.08), grey * f32(0.65))
    hill(canvas, horizon, rough(rng, size, jitter(rng, rgb(85, 95, 105), 0.03), 0.04, 10))
    for _ in range(3):
        x, y, width = rng.uniform(0, 1), rng.uniform(horizon + 0.08, 0.97), rng.uniform(0.08, 0.18)
        put(canvas, ellipse(size, x, y, width, 0.025), rgb(150, 165, 185))
    return Backdrop(canvas, horizon + 0.08)


def rain_drops(canvas: Array, rng: Rng, number: int = 40) -> None:
    """Slanted strokes over the whole canvas."""
    size = canvas.shape[0]
    xs, ys = rng.uniform(0, 1, number), rng.uniform(0, 1, number)
    for k in range(max(3, size // 16)):
        y = np.clip((ys * size + k).astype(int), 0, size - 1)
        x = np.clip((xs * size - k * 0.3).astype(int), 0, size - 1)
        canvas[y, x] += (rgb(210, 225, 245) - canvas[y, x]) * f32(0.6)


def sea(rng: Rng, size: int) -> Backdrop:
    """Under the surface: rays of light, sea floor, swaying plants, bubbles."""
    top = jitter(rng, pick(rng, [rgb(60, 180, 215), rgb(50, 150, 210), rgb(70, 190, 190)]), 0.04)
    deep = top * f32(rng.uniform(0.25, 0.45)) + rgb(0, 10, 40)
    canvas = gradient(size, top, deep)
    px, py = grid(size)
    phase = rng.uniform(0, 6)
    slant = px + py * f32(rng.uniform(-0.5, 0.5))
    rays = stripes(slant * f32(rng.uniform(14, 25)) + f32(phase)) * np.clip(1 - py * f32(1.3), 0, 1)
    canvas += (rays * f32(0.16))[..., None]
    floor = rng.uniform(0.82, 0.92)
    line = wave(rng, size, 0.02, 1.1, floor)
    hill(canvas, line, rough(rng, size, jitter(rng, lerp(rgb(215, 195, 140), deep, 0.35), 0.05), 0.05))
    for _ in range(count(rng, 2, 6)):
        _sea_plant(canvas, rng, floor, phase)
    for _ in range(count(rng, 4, 14)):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0, 0.9), rng.uniform(0.01, 0.03)
        put(canvas, disc(size, x, y, radius) * f32(0.5), rgb(225, 245, 255))
        put(canvas, disc(size, x, y, radius * 0.6) * f32(0.4), top)
    return Backdrop(canvas, 0.55, Ground.NONE)


def _sea_plant(canvas: Array, rng: Rng, floor: float, phase: float) -> None:
    size, (px, py) = canvas.shape[0], grid(canvas.shape[0])
    x, height = rng.uniform(0, 1), rng.uniform(0.15, 0.45)
    colours = [rgb(40, 140, 80), rgb(70, 150, 60), rgb(200, 80, 110), rgb(225, 120, 70)]
    colour = jitter(rng, pick(rng, colours), 0.06)
    middle = f32(x) + f32(0.025) * np.sin(py * f32(28) + f32(phase))
    stem = edge(f32(0.018) - np.abs(px - middle), size)
    upright = edge(py - f32(floor + 0.02 - height), size) * edge(f32(floor + 0.04) - py, size)
    put(canvas, stem * upright, colour)


def water(rng: Rng, size: int) -> Backdrop:
    """A rippled surface, to the horizon or filling the picture."""
    return _surface(rng, size, None, 0.11)


def milk(rng: Rng, size: int) -> Backdrop:
    """The same in white, with faint ripples."""
    return _surface(rng, size, rgb(248, 246, 240), 0.025)


def _surface(rng: Rng, size: int, colour: Array | None, swell: float) -> Backdrop:
    px, py = grid(size)
    horizon = rng.uniform(0.2, 0.4) if rng.random() < 0.6 else -0.2
    canvas = sky(rng, size, 0.4)
    if colour is None:
        colour = jitter(rng, pick(rng, [rgb(45, 125, 190), rgb(60, 160, 200), rgb(30, 100, 160)]), 0.04)
    near = np.maximum(py - f32(horizon), f32(0.03))
    uneven = noise(rng, size, 16, 6)
    ripple = np.sin(f32(10) * near ** f32(0.6) * f32(6) + uneven * f32(9) + np.sin(px * f32(9)) * f32(0.8))
    surface = colour * (f32(1) + ripple * f32(swell))[..., None]
    hill(canvas, horizon, surface.astype(f32))
    return Backdrop(canvas, max(horizon + 0.2, 0.35), Ground.LIQUID)
