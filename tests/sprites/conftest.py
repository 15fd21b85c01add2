"""A tiny set of art, drawn here, so that no test needs the network or the real packs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sprites.art.classes import STYLES, Drawing, drawings
from sprites.art.selection import HELD
from sprites.art.store import Art, Sprite
from sprites.world.draw import disc, rgb, rounded_box
from sprites.world.settings import FULL, MEDIUM, SMALL, WorldSettings
from sprites.world.sticker import Sticker

TINY_CLASSES = ("dog", "cat", "robot", "owl", "teapot")


def drawn_sprite(number: int) -> np.ndarray:
    """A box and a disc in colours that depend on the number, uint8 RGBA [128, 128, 4]."""
    sticker = Sticker(128)
    sticker.put(rounded_box(128, 0.2, 0.8, 0.3, 0.98, 0.1), rgb(number * 37 % 256, number * 91 % 256, 90))
    sticker.put(disc(128, 0.5, 0.25, 0.2), rgb(200, number * 53 % 256, number * 17 % 256))
    return np.array(sticker.picture().convert("RGBA"))


def tiny_art(styles: tuple[str, ...] = STYLES) -> Art:
    """Five known classes, every accessory, and all drawings that subjects need."""
    sprites = []
    for drawing in drawings():
        for style in styles:
            held = (drawing.class_noun, drawing.code_point, style) in HELD or drawing.is_stranger
            if drawing.is_accessory or drawing.class_noun in TINY_CLASSES or held:
                sprites.append(as_sprite(drawing, style, held))
    return Art(np.stack([drawn_sprite(k) for k in range(len(sprites))]), tuple(sprites))


def as_sprite(drawing: Drawing, style: str, is_held: bool) -> Sprite:
    """The record of a drawing."""
    return Sprite(
        drawing.class_noun, drawing.code_point, style, drawing.is_face, drawing.is_alive, drawing.is_accessory, is_held
    )


@pytest.fixture(scope="session")
def art() -> Art:
    """Tiny art."""
    return tiny_art()


@pytest.fixture(scope="session", params=[SMALL, MEDIUM, FULL], ids=lambda settings: settings.name)
def settings(request: pytest.FixtureRequest) -> WorldSettings:
    """Each world, cut down to the classes of the tiny art."""
    return replace(request.param, classes=TINY_CLASSES)


@pytest.fixture(scope="session")
def small() -> WorldSettings:
    """The small world, cut down to the classes of the tiny art."""
    return replace(SMALL, classes=TINY_CLASSES)
