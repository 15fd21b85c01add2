"""Which classes, styles and contexts a world has, and how it talks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sprites.art.classes import STYLES, world_classes
from sprites.world.captions import PHOTO_PREFIXES
from sprites.world.contexts import CONTEXTS


@dataclass(frozen=True)
class WorldSettings:
    """One world; a plain one shows single upright subjects, a rich one also pairs, colours, hats and whole looks."""

    name: str
    classes: tuple[str, ...]
    styles: tuple[str, ...]
    contexts: tuple[str, ...]
    span: tuple[float, float]
    """Smallest and largest side of a subject, in shares of the picture's."""
    plain: bool
    prefixes: Mapping[str, tuple[str, ...]]
    """What captions begin with, by style; a rich world adds prefixes that name the style."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


_MEDIUM_CLASSES = _words(
    "dog, cat, rabbit, bear, panda, penguin, owl, fox, lion, tiger, elephant, cow, pig, frog, turtle, octopus, whale, "
    "fish, dolphin, crab, bee, butterfly, snail, dinosaur, dragon, unicorn, horse, monkey, koala, duck, chicken, "
    "parrot, snowman, ghost, alien, car, bus, fire truck, train, airplane, rocket, sailboat, bicycle, helicopter, "
    "tractor, apple, banana, strawberry, pineapple, watermelon, carrot, burger, pizza, donut, ice cream, "
    "birthday cake, cactus, sunflower, mushroom, house, castle, tent, backpack, sneaker, top hat, crown, umbrella, "
    "guitar, drum, camera, television, clock, key, cup, robot, teapot, chair, book, globe, potted plant"
)

SMALL = WorldSettings(
    name="small",
    classes=_words(
        "dog, cat, rabbit, bear, panda, penguin, owl, fox, lion, elephant, pig, frog, turtle, octopus, dinosaur, duck, "
        "robot, car, bus, teapot, backpack, mushroom, house, cow"
    ),
    styles=("3d", "flat", "noto", "tw", "noto1", "fx", "eo"),
    contexts=_words(
        "beach, snow, jungle, forest, sea, night, city, wood, grass, brick, desert, room, bg_white, bg_red, bg_blue, "
        "bg_pink"
    ),
    span=(0.6, 0.85),
    plain=True,
    prefixes={style: ("a photo of", "a picture of", "" if style == "3d" else "a drawing of") for style in STYLES},
)

MEDIUM = WorldSettings(
    name="medium",
    classes=_MEDIUM_CLASSES,
    styles=("3d", "flat", "noto", "tw"),
    contexts=_words(
        "beach, snow, jungle, forest, sea, night, mountain, city, sunset, wood, grass, brick, desert, space, room, "
        "eiffel, bg_white, bg_red, bg_blue, bg_green, bg_yellow, bg_pink, bg_purple, bg_gray"
    ),
    span=(0.6, 0.85),
    plain=True,
    prefixes={
        "3d": ("a photo of", "a picture of", ""),
        "flat": ("a flat icon of",),
        "noto": ("a cartoon of",),
        "tw": ("a drawing of",),
    },
)

FULL = WorldSettings(
    name="full",
    classes=world_classes(),
    styles=STYLES,
    contexts=tuple(CONTEXTS),
    span=(0.42, 0.72),
    plain=False,
    prefixes=dict.fromkeys(STYLES, PHOTO_PREFIXES),
)

WORLDS: dict[str, WorldSettings] = {settings.name: settings for settings in (SMALL, MEDIUM, FULL)}
