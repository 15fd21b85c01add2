"""What a subject may wear or hold: which, how it is called, where it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import cache
from typing import NamedTuple

import numpy as np
from PIL import Image

from sprites.world.captions import article
from sprites.world.draw import Rng, box, disc, edge, ellipse, f32, grid, pick, rgb
from sprites.world.figure import SIDE, Figure, Head
from sprites.world.looks import COLOURS, recolouring
from sprites.world.sticker import Sticker


class Spot(NamedTuple):
    """Offset from the subject's middle and side, in shares of the subject's side."""

    x: float
    y: float
    side: float


class Fit(Enum):
    """Where on a subject something goes: a fixed spot, how far a hat rises (in shares of its side), or by the head."""

    TALL_HAT = 0.26
    STRAW_HAT = 0.30
    HAT = 0.18
    GLASSES = "glasses"
    SCARF = "scarf"
    HEADPHONES = "headphones"
    BOW = "bow"
    UMBRELLA = Spot(0.45, -0.35, 0.7)
    BALLOON = Spot(0.5, -0.35, 0.55)
    ROSE = Spot(0.38, 0.2, 0.42)


class Accessory(NamedTuple):
    """Something worn or held; ``at(pixels)`` gives its premultiplied picture."""

    at: Callable[[float], Image.Image]
    fit: Fit
    phrase: str

    @property
    def is_behind(self) -> bool:
        """Whether it is drawn behind the subject."""
        return self.fit in (Fit.UMBRELLA, Fit.BALLOON)


FITS = {
    "sunglasses": Fit.GLASSES,
    "glasses": Fit.GLASSES,
    "top hat": Fit.TALL_HAT,
    "crown": Fit.TALL_HAT,
    "cap": Fit.HAT,
    "straw hat": Fit.STRAW_HAT,
    "graduation cap": Fit.HAT,
    "helmet": Fit.HAT,
    "umbrella": Fit.UMBRELLA,
    "balloon": Fit.BALLOON,
    "scarf": Fit.SCARF,
    "bow": Fit.BOW,
    "rose": Fit.ROSE,
    "headphones": Fit.HEADPHONES,
    "santa hat": Fit.TALL_HAT,
    "party hat": Fit.TALL_HAT,
    "wizard hat": Fit.TALL_HAT,
}
TWICE_AS_LIKELY = ("sunglasses", "top hat", "crown", "scarf", "santa hat", "party hat")
CHOICES = tuple(name for kind in FITS for name in [kind] * (2 if kind in TWICE_AS_LIKELY else 1))
DRAWN_HATS = ("santa hat", "party hat", "wizard hat")
HELD = ("umbrella", "balloon", "rose")
PLURAL = ("sunglasses", "glasses", "headphones")
SCARF_COLOURS = ("red", "blue", "green", "pink", "yellow", "purple", "rainbow", "rainbow")
CAP_COLOURS = ("red", "blue", "green", "pink", "yellow")
RECOLOURED = {"cap": CAP_COLOURS, "glasses": (*CAP_COLOURS, "purple"), "bow": (*CAP_COLOURS, "purple")}


def choose(rng: Rng, style: str, drawn: Mapping[str, Mapping[str, Figure]]) -> Accessory:
    """An accessory, mostly in the style of the subject; ``drawn`` maps kind → style → figure."""
    kind = pick(rng, CHOICES)
    if kind in DRAWN_HATS:
        hat = drawn_accessory(kind)
        return Accessory(lambda _: hat, FITS[kind], pick(rng, [f"wearing a {kind}", f"with a {kind}"]))
    if kind == "scarf":
        colour = pick(rng, SCARF_COLOURS)
        scarf = drawn_scarf(colour)
        phrase = f"wearing a {colour} scarf" if rng.random() < 0.8 else "wearing a scarf"
        return Accessory(lambda _: scarf, FITS[kind], phrase)
    styles = drawn[kind]
    figure = styles.get(style) if rng.random() < 0.6 else None
    figure = figure or styles[pick(rng, sorted(styles))]
    if kind in RECOLOURED and rng.random() < 0.5:
        colour = pick(rng, RECOLOURED[kind])
        recoloured = figure.at(40, [recolouring(colour)])
        named = f"{colour} {kind}" if kind in PLURAL else f"a {colour} {kind}"
        return Accessory(lambda _: recoloured, FITS[kind], f"wearing {named}")
    black = kind == "top hat" and rng.random() < 0.4
    return Accessory(figure.at, FITS[kind], plain_phrase("black top hat" if black else kind))


def plain_phrase(kind: str) -> str:
    """How captions say that a subject wears or holds something."""
    if kind in HELD:
        return f"holding {article(kind)}"
    return f"wearing {kind if kind in PLURAL else article(kind)}"


def phrases() -> Iterator[str]:
    """Everything that ``choose`` can say."""
    yield from (plain_phrase(kind) for kind in (*FITS, "black top hat"))
    yield from (f"with a {kind}" for kind in DRAWN_HATS)
    yield from (f"wearing a {colour} scarf" for colour in SCARF_COLOURS)
    yield from (f"wearing a {colour} {kind}" for kind, colours in RECOLOURED.items() for colour in colours)


def spot(fit: Fit, head: Head, is_face: bool) -> Spot:
    """Where an accessory goes on a subject with this head."""
    if isinstance(fit.value, Spot):
        return fit.value
    x, top, width = head.x - 0.5, head.top - 0.5, head.width
    if fit is Fit.GLASSES:
        side = min(max(width * (0.95 if is_face else 1.0), 0.3), 0.8)
        top += 0.43 if is_face else 0.17
    elif fit is Fit.SCARF:
        side = min(max(width * 1.15, 0.34), 0.66)
        top = min(top + (0.88 if is_face else 0.3) + side * 0.22, 0.5 - side * 0.12)
    elif fit is Fit.HEADPHONES:
        side = min(max(width * 1.25, 0.4), 1.05)
        top += 0.38 if is_face else 0.13
    elif fit is Fit.BOW:
        x, top, side = x + width * 0.25, top + 0.02, 0.3
    else:
        side = min(max(width * 0.95, 0.3), 0.62)
        top = top - side * fit.value + (0.06 if is_face else 0.03)
    return Spot(x, top, side)


# ---------------------------------------------------------------- drawn by ourselves


@cache
def drawn_accessory(kind: str) -> Image.Image:
    """A pointed hat: of a santa, a wizard or a party."""
    x, y = grid(SIDE)
    sticker = Sticker(SIDE)
    down = np.clip((y - f32(0.06)) / f32(0.74), 0, 1)
    cone = edge(np.minimum(down * f32(0.36) - np.abs(x - f32(0.5)), np.minimum(y - f32(0.06), f32(0.82) - y)), SIDE)
    if kind == "santa hat":
        sticker.put(cone, rgb(210, 30, 35))
        sticker.put(ellipse(SIDE, 0.5, 0.84, 0.44, 0.1), rgb(250, 250, 250))
        sticker.put(disc(SIDE, 0.5, 0.08, 0.08), rgb(250, 250, 250))
    elif kind == "wizard hat":
        sticker.put(cone, rgb(95, 50, 150))
        sticker.put(ellipse(SIDE, 0.5, 0.84, 0.48, 0.09), rgb(80, 40, 130))
        for star_x, star_y in ((0.5, 0.4), (0.42, 0.62), (0.58, 0.66)):
            sticker.put(disc(SIDE, star_x, star_y, 0.03), rgb(250, 215, 80))
    else:
        sticker.put(cone, rgb(60, 140, 220))
        sticker.put(cone * (np.sin(y * f32(34)) > 0), rgb(250, 210, 60))
        sticker.put(disc(SIDE, 0.5, 0.07, 0.07), rgb(235, 60, 90))
    return sticker.picture()


@cache
def drawn_scarf(colour: str) -> Image.Image:
    """A scarf with one hanging end, in a named colour or "rainbow"."""
    x, y = grid(SIDE)
    sticker = Sticker(SIDE)
    band = ellipse(SIDE, 0.5, 0.22, 0.46, 0.17) * (1 - ellipse(SIDE, 0.5, 0.06, 0.40, 0.14))
    mask = np.maximum(band, box(SIDE, 0.60, 0.78, 0.26, 0.80))
    if colour == "rainbow":
        sticker.put(mask, rgb(230, 50, 50))
        bands = [rgb(245, 150, 40), rgb(250, 220, 60), rgb(60, 170, 80), rgb(60, 110, 220), rgb(150, 80, 190)]
        for k, band_colour in enumerate(bands):
            under = edge(y + np.abs(x - f32(0.5)) * f32(0.15) - f32(0.2 + k * 0.11), SIDE)
            sticker.put(mask * under, band_colour)
        return sticker.picture()
    sticker.put(mask, COLOURS[colour])
    sticker.put(mask * (np.sin((x - y * f32(0.3)) * f32(40)) > 0.55), COLOURS[colour] * f32(0.72))
    sticker.put(box(SIDE, 0.60, 0.78, 0.72, 0.76), rgb(245, 245, 240))
    return sticker.picture()
