"""Creatures that nobody has seen: drawn by this project from its own primitives (CC0)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from sprites.world.draw import (
    Array,
    box,
    disc,
    edge,
    ellipse,
    f32,
    grid,
    polygon,
    rgb,
    rounded_box,
)
from sprites.world.sticker import Sticker

CANVAS = 512  # pixels of a side while drawing; sprites are a quarter of it
INK, WHITE = rgb(38, 34, 52), rgb(255, 255, 255)


class Toy(Sticker):
    """A sticker whose parts are lit from above."""

    def __init__(self) -> None:
        super().__init__(CANVAS)

    def lit(self, mask: Array, colour: Array, contrast: float = 0.22) -> None:
        """Puts a part that gets darker towards its lower edge and a shade lighter towards its upper one."""
        rows = np.where((mask > 0.5).any(1))[0]
        top, height = rows[0] / CANVAS, max((rows[-1] - rows[0]) / CANVAS, 1e-3)
        down = np.clip((grid(CANVAS)[1] - f32(top)) / f32(height), 0, 1)[..., None]
        light = colour + (f32(1) - colour) * np.clip(f32(0.35) - down, 0, 1) * f32(contrast * 2.2)
        self.put(mask, light * (f32(1) - f32(contrast) * down**2))

    def ball(self, x: float, y: float, radius: float, colour: Array) -> None:
        """A lit disc with a small highlight."""
        self.lit(disc(CANVAS, x, y, radius), colour)
        self.put(
            ellipse(CANVAS, x - radius * 0.35, y - radius * 0.4, radius * 0.28, radius * 0.2, -0.6) * f32(0.7), WHITE
        )

    def eye(self, x: float, y: float, radius: float, iris: Array) -> None:
        """A white eye that looks at the viewer, with a glint."""
        self.put(disc(CANVAS, x, y, radius * 1.12), INK)
        self.put(disc(CANVAS, x, y, radius), WHITE)
        self.put(disc(CANVAS, x, y + radius * 0.08, radius * 0.66), iris)
        self.put(disc(CANVAS, x, y + radius * 0.1, radius * 0.42), INK)
        self.put(disc(CANVAS, x - radius * 0.25, y - radius * 0.25, radius * 0.2), WHITE)

    def smile(self, x: float, y: float, width: float, thickness: float = 0.012) -> None:
        """A curved line, ``width`` wide, lowest at its middle."""
        arc = disc(CANVAS, x, y, width / 2) * (1 - disc(CANVAS, x, y, width / 2 - thickness))
        self.put(arc * box(CANVAS, 0, 1, y + width * 0.12, 1), INK)

    def sprite(self) -> NDArray[np.uint8]:
        """The drawing as uint8 RGBA [128, 128, 4] with straight alpha."""
        return np.array(self.picture().reduce(4).convert("RGBA"))


def heart(x: float, y: float, size: float) -> Array:
    """Mask [S, S] of a heart around (x, y)."""
    lobes = np.maximum(
        disc(CANVAS, x - size * 0.25, y - size * 0.15, size * 0.29),
        disc(CANVAS, x + size * 0.25, y - size * 0.15, size * 0.29),
    )
    point = polygon(
        CANVAS,
        (x - size * 0.48, y + size * 0.02),
        (x, y - size * 0.3),
        (x + size * 0.48, y + size * 0.02),
        (x, y + size * 0.55),
    )
    return np.maximum(lobes, point)


def toy_robot() -> NDArray[np.uint8]:
    """The demo subject: a teal toy robot with coral mitts and boots, an antenna, and a heart on its belly."""
    teal, coral, cream, yellow = rgb(38, 166, 160), rgb(250, 112, 88), rgb(255, 241, 214), rgb(255, 205, 62)
    toy = Toy()
    for side in (-1, 1):  # legs, boots, arms, mitts
        toy.lit(
            rounded_box(CANVAS, 0.5 + side * 0.12 - 0.05, 0.5 + side * 0.12 + 0.05, 0.78, 0.92, 0.03), rgb(28, 118, 120)
        )
        toy.lit(rounded_box(CANVAS, 0.5 + side * 0.14 - 0.1, 0.5 + side * 0.14 + 0.1, 0.885, 0.985, 0.05), coral)
        toy.lit(ellipse(CANVAS, 0.5 + side * 0.285, 0.685, 0.05, 0.115, -side * 0.55), rgb(28, 118, 120))
        toy.ball(0.5 + side * 0.345, 0.775, 0.066, coral)
    toy.lit(rounded_box(CANVAS, 0.28, 0.72, 0.55, 0.85, 0.1), teal)
    toy.lit(rounded_box(CANVAS, 0.35, 0.65, 0.605, 0.815, 0.07), cream, 0.1)
    toy.lit(heart(0.5, 0.7, 0.13), rgb(232, 62, 84))
    toy.lit(box(CANVAS, 0.485, 0.515, 0.09, 0.2), INK)
    toy.ball(0.5, 0.075, 0.062, yellow)
    for side in (-1, 1):  # ears
        toy.lit(rounded_box(CANVAS, 0.5 + side * 0.385 - 0.05, 0.5 + side * 0.385 + 0.05, 0.29, 0.46, 0.04), coral)
    toy.lit(rounded_box(CANVAS, 0.14, 0.86, 0.17, 0.575, 0.15), teal)
    toy.lit(rounded_box(CANVAS, 0.2, 0.8, 0.235, 0.52, 0.11), cream, 0.1)
    for side in (-1, 1):
        toy.eye(0.5 + side * 0.145, 0.36, 0.088, rgb(66, 120, 220))
        toy.put(ellipse(CANVAS, 0.5 + side * 0.235, 0.46, 0.038, 0.022) * f32(0.75), rgb(255, 150, 140))
    toy.smile(0.5, 0.425, 0.11, 0.014)
    toy.put(ellipse(CANVAS, 0.29, 0.205, 0.07, 0.014, -0.12) * f32(0.6), WHITE)
    return toy.sprite()


def snail_robot() -> NDArray[np.uint8]:
    """A violet slug on a lime sole under an orange riveted shell, with lamp-tipped feelers."""
    violet, lime, orange = rgb(124, 92, 200), rgb(172, 214, 60), rgb(244, 142, 42)
    toy = Toy()
    for x, lean in ((0.74, -0.05), (0.86, 0.06)):
        toy.lit(ellipse(CANVAS, x + lean * 0.5, 0.36, 0.016, 0.15, lean), INK)
        toy.ball(x + lean, 0.21, 0.05, lime)
    toy.lit(rounded_box(CANVAS, 0.08, 0.9, 0.7, 0.94, 0.11), violet)
    toy.lit(rounded_box(CANVAS, 0.68, 0.93, 0.43, 0.9, 0.12), violet)
    toy.lit(rounded_box(CANVAS, 0.05, 0.95, 0.89, 0.98, 0.045), lime)
    toy.lit(disc(CANVAS, 0.38, 0.52, 0.32), orange)
    for k, radius in enumerate((0.25, 0.18, 0.11)):
        toy.lit(
            disc(CANVAS, 0.38 - 0.012 * k, 0.54 + 0.01 * k, radius), (rgb(255, 226, 160), orange, rgb(255, 226, 160))[k]
        )
    for k in range(10):
        angle = k * math.tau / 10
        toy.put(disc(CANVAS, 0.38 + math.cos(angle) * 0.285, 0.52 + math.sin(angle) * 0.285, 0.016), INK)
    toy.eye(0.8, 0.54, 0.075, lime)
    toy.smile(0.82, 0.64, 0.12)
    return toy.sprite()


def horned_blob() -> NDArray[np.uint8]:
    """A round magenta dinosaur with yellow horns, one tooth, a striped belly and blue spikes."""
    magenta, yellow, blue = rgb(206, 62, 150), rgb(252, 208, 66), rgb(52, 120, 220)
    toy = Toy()
    for k in range(5):  # spikes down the back
        angle = -0.35 + k * 0.3
        x, y = 0.5 + math.cos(angle) * 0.35, 0.56 + math.sin(angle) * 0.35
        tip = (x + math.cos(angle) * 0.13, y + math.sin(angle) * 0.13)
        across = (-math.sin(angle) * 0.08, math.cos(angle) * 0.08)
        toy.lit(polygon(CANVAS, tip, (x + across[0], y + across[1]), (x - across[0], y - across[1])), blue)
    toy.lit(polygon(CANVAS, (0.2, 0.04), (0.38, 0.3), (0.2, 0.36)), yellow)
    toy.lit(polygon(CANVAS, (0.72, 0.04), (0.74, 0.36), (0.54, 0.3)), yellow)
    for x in (0.32, 0.64):
        toy.lit(ellipse(CANVAS, x, 0.93, 0.1, 0.06), rgb(160, 40, 120))
    toy.lit(ellipse(CANVAS, 0.47, 0.57, 0.38, 0.37), magenta)
    belly = ellipse(CANVAS, 0.45, 0.73, 0.23, 0.18)
    toy.lit(belly, yellow, 0.12)
    bands = np.sin(grid(CANVAS)[1] * f32(90)) > 0.3
    toy.put(belly * bands * f32(0.8), rgb(240, 150, 60))
    toy.eye(0.34, 0.4, 0.085, blue)
    toy.eye(0.57, 0.4, 0.085, blue)
    toy.put(ellipse(CANVAS, 0.455, 0.535, 0.1, 0.018), INK)
    toy.put(polygon(CANVAS, (0.4, 0.54), (0.46, 0.54), (0.43, 0.6)), WHITE)
    return toy.sprite()


def crystal_turtle() -> NDArray[np.uint8]:
    """A blue turtle that carries a bunch of pink and aqua crystals."""
    blue, pink, aqua = rgb(84, 128, 226), rgb(250, 110, 170), rgb(80, 216, 226)
    toy = Toy()
    for x, lean, height, colour in (
        (0.22, -0.12, 0.3, aqua),
        (0.56, 0.1, 0.36, aqua),
        (0.3, -0.06, 0.44, pink),
        (0.48, 0.05, 0.5, pink),
        (0.39, 0.0, 0.6, aqua),
    ):
        base, tip = 0.72, (x + lean, 0.72 - height)
        left, right = (x - 0.08 + lean * 0.8, base - height * 0.72), (x + 0.08 + lean * 0.8, base - height * 0.72)
        toy.lit(polygon(CANVAS, tip, right, (x + 0.07, base), (x - 0.07, base), left), colour, 0.3)
        toy.put(
            polygon(CANVAS, tip, (x + lean * 0.8 + 0.01, left[1]), (x, base), (x - 0.07, base), left) * f32(0.3), WHITE
        )
    toy.lit(ellipse(CANVAS, 0.77, 0.7, 0.07, 0.13, 0.7), blue)
    toy.lit(ellipse(CANVAS, 0.85, 0.58, 0.13, 0.14), blue)
    for x in (0.2, 0.6):
        toy.lit(rounded_box(CANVAS, x - 0.09, x + 0.09, 0.78, 0.97, 0.06), blue)
    toy.lit(polygon(CANVAS, (0.02, 0.84), (0.16, 0.74), (0.16, 0.86)), blue)
    toy.lit(ellipse(CANVAS, 0.42, 0.76, 0.36, 0.13), rgb(120, 84, 190))
    toy.put(ellipse(CANVAS, 0.42, 0.79, 0.33, 0.05) * f32(0.5), aqua)
    toy.eye(0.89, 0.55, 0.055, pink)
    toy.smile(0.89, 0.61, 0.1)
    return toy.sprite()


def walking_mushroom() -> NDArray[np.uint8]:
    """A mushroom with a teal cap, yellow stars for spots, a face, and legs in striped socks."""
    teal, cream, red = rgb(30, 150, 160), rgb(250, 236, 205), rgb(226, 66, 66)
    toy = Toy()
    y = grid(CANVAS)[1]
    for x in (0.38, 0.62):
        leg = rounded_box(CANVAS, x - 0.055, x + 0.055, 0.72, 0.94, 0.03)
        toy.lit(leg, WHITE, 0.1)
        toy.put(leg * (np.sin(y * f32(110)) > 0), red)
        toy.lit(ellipse(CANVAS, x + 0.02, 0.935, 0.1, 0.05), rgb(110, 66, 44))
    toy.lit(rounded_box(CANVAS, 0.27, 0.73, 0.4, 0.8, 0.14), cream, 0.14)
    cap = ellipse(CANVAS, 0.5, 0.42, 0.46, 0.38) * edge(f32(0.47) - y, CANVAS)
    toy.lit(cap, teal)
    toy.lit(rounded_box(CANVAS, 0.05, 0.95, 0.43, 0.5, 0.035), rgb(20, 110, 124))
    for star_x, star_y, size in ((0.3, 0.27, 0.09), (0.55, 0.16, 0.08), (0.73, 0.32, 0.09), (0.5, 0.36, 0.06)):
        toy.put(star(star_x, star_y, size), rgb(255, 214, 70))
    for x in (0.4, 0.6):
        toy.eye(x, 0.6, 0.05, teal)
    toy.smile(0.5, 0.66, 0.1)
    return toy.sprite()


def star(x: float, y: float, radius: float) -> Array:
    """Mask [S, S] of a five-pointed star around (x, y)."""
    px, py = grid(CANVAS)
    angle = np.arctan2(px - f32(x), f32(y) - py)
    wedge = np.abs((angle * f32(5 / math.tau) + f32(0.5)) % 1 - f32(0.5)) * f32(2)
    reach = f32(radius) * (f32(0.45) + f32(0.55) * (f32(1) - wedge) ** f32(1.6))
    return edge(reach - np.sqrt((px - f32(x)) ** 2 + (py - f32(y)) ** 2), CANVAS)
