"""Subjects that no base has been trained on, in five groups, and pictures of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sprites import creatures, new_looks
from sprites.art.classes import stranger_nouns
from sprites.art.packs import PACKS
from sprites.art.store import Art, Sprite
from sprites.errors import RecipeError
from sprites.world.contexts import CONTEXTS
from sprites.world.figure import Figure
from sprites.world.looks import COLOURS, Change, pattern, recolouring
from sprites.world.plain import plain_scene
from sprites.world.settings import SMALL
from sprites.world.world import World

GROUPS = {
    "instance": "an unseen drawing of a known class",
    "recoloured": "an unseen drawing of a known class in other colours and patterns",
    "style": "a known class in a style that no world has",
    "creature": "a made-up creature of a known class, drawn by this project",
    "stranger": "a class that no world shows",
}
SPLITS = ("tuning", "report")
PHOTO_CONTEXTS = (
    ("room", "grass", "wood", "bg_white", "city"),
    ("beach", "room", "brick", "grass", "bg_red"),
    ("wood", "city", "bg_white", "forest", "grass"),
    ("room", "beach", "bg_red", "brick", "forest"),
    ("grass", "brick", "wood", "city", "beach"),
)
"""Contexts of the five photos; subjects take turns."""
NEW_CONTEXTS = ("snow", "jungle", "sea", "night", "desert", "bg_pink", "bg_blue")
"""Contexts of the small world in which no photo shows a subject."""
DEMO_CONTEXTS = ("grass", "room", "forest", "wood", "bg_white")
DEMO_NUMBER = 28  # chosen by eye
UNCHANGED = ("instance", "stranger", "creature")
PHOTO_SEED = 777
SIZES = (64, 128)
OWN_CREDIT = "lorabooth, drawn by this project, CC0-1.0"


@dataclass(frozen=True, eq=False)
class Subject:
    """One subject: ``pixels``, uint8 RGBA [128, 128, 4] with straight alpha, and what is known of it."""

    name: str
    class_noun: str
    group: str
    split: str
    credit: str
    contexts: tuple[str, ...]
    pixels: NDArray[np.uint8]
    source: Sprite | None = None
    """The held-out sprite that it is made of; None for creatures."""


class _Plan(NamedTuple):
    name: str
    class_noun: str
    group: str
    source: tuple[str, str]  # style and code point
    changes: Sequence[Change] = ()


def _patterned(kind: str, colour: str, seed: int) -> Change:
    return lambda sprite: pattern(sprite, np.random.default_rng(seed), kind, COLOURS[colour])


def _two_tone(top: str, bottom: str) -> Change:
    return partial(new_looks.two_tone, top=top, bottom=bottom)


_PLANS = (
    _Plan("owl", "owl", "instance", ("eo", "1f989")),
    _Plan("robot", "robot", "instance", ("tw", "1f916")),
    _Plan("penguin", "penguin", "instance", ("fx", "1f427")),
    _Plan("teapot", "teapot", "instance", ("tw", "1fad6")),
    _Plan("car", "car", "instance", ("noto1", "1f697")),
    _Plan("backpack", "backpack", "instance", ("eo", "1f392")),
    _Plan("two_tone_elephant", "elephant", "recoloured", ("noto1", "1f418"), (_two_tone("yellow", "purple"),)),
    _Plan("two_tone_rabbit", "rabbit", "recoloured", ("tw", "1f430"), (_two_tone("green", "orange"),)),
    _Plan(
        "dotted_dinosaur", "dinosaur", "recoloured", ("tw", "1f996"),
        (_two_tone("purple", "orange"), _patterned("polka dot", "white", 4)),
    ),
    _Plan(
        "striped_dog", "dog", "recoloured", ("eo", "1f415"), (recolouring("pink"), _patterned("striped", "blue", 3)),
    ),
    _Plan("line_drawn_octopus", "octopus", "style", ("eo", "1f419"), (new_looks.line_drawing,)),
    _Plan("block_cat", "cat", "style", ("eo", "1f408"), (new_looks.blocks,)),
    _Plan("poster_dog", "dog", "style", ("eo", "1f436"), (new_looks.poster,)),
    _Plan("neon_cat", "cat", "style", ("eo", "1f431"), (new_looks.neon,)),
    _Plan("dodo", "dodo", "stranger", ("noto", "1f9a4")),
    _Plan("lizard", "lizard", "stranger", ("eo", "1f98e")),
    _Plan("mammoth", "mammoth", "stranger", ("tw", "1f9a3")),
    _Plan("joystick", "joystick", "stranger", ("noto1", "1f579")),
    _Plan("popcorn", "popcorn", "stranger", ("noto", "1f37f")),
    _Plan("cable_car", "cable car", "stranger", ("noto1", "1f6a1")),
)  # fmt: skip
_CREATURES: tuple[tuple[str, str, Callable[[], NDArray[np.uint8]]], ...] = (
    ("snail_robot", "robot", creatures.snail_robot),
    ("horned_blob", "dinosaur", creatures.horned_blob),
    ("crystal_turtle", "turtle", creatures.crystal_turtle),
    ("walking_mushroom", "mushroom", creatures.walking_mushroom),
)


def subjects(art: Art) -> tuple[Subject, ...]:
    """All held-out subjects; in every group half of them are for tuning and half for the report."""
    made: list[Subject] = []
    for group in GROUPS:
        rows = [_from_art(art, plan) for plan in _PLANS if plan.group == group]
        rows += [_creature(*row) for row in _CREATURES if group == "creature"]
        made += [replace(subject, split=SPLITS[k % 2]) for k, subject in enumerate(rows)]
    turns = len(PHOTO_CONTEXTS)
    return tuple(replace(subject, contexts=PHOTO_CONTEXTS[k % turns]) for k, subject in enumerate(made))


def demo_subject() -> Subject:
    """The subject of the demo, which belongs to neither split."""
    subject = _creature("toy_robot", "robot", creatures.toy_robot)
    return replace(subject, split="demo", contexts=DEMO_CONTEXTS)


def render_subject(world: World, subject: Subject, seed: int, index: int, size: int, context: str) -> NDArray[np.uint8]:
    """The subject in a named context, uint8 [S, S, 3], posed as in the worlds that bases are trained on."""
    if context not in CONTEXTS:
        raise RecipeError(f"no context {context!r}: there are {', '.join(CONTEXTS)}")
    span = world.settings.span if world.settings.plain else SMALL.span
    figure = Figure(subject.pixels)
    return plain_scene(np.random.default_rng([seed, index]), size, figure, CONTEXTS[context], span)


def class_members(world: World, class_noun: str) -> tuple[Subject, ...]:
    """Everything else of the same class that the art has: what a world shows, or strangers nobody is a subject of."""
    taken = {(plan.class_noun, *plan.source) for plan in _PLANS}
    strangers = stranger_nouns()
    members = []
    for index, sprite in enumerate(world.art.sprites):
        is_taken = (sprite.class_noun, sprite.style, sprite.code_point) in taken
        is_open = not sprite.is_held or sprite.class_noun in strangers
        if sprite.class_noun == class_noun and not sprite.is_accessory and is_open and not is_taken:
            name = f"{class_noun.replace(' ', '_')}_{sprite.style}_{sprite.code_point}"
            members.append(_drawn(name, "member", sprite, world.art.pixels[index]))
    return tuple(members)


def write_subjects(world: World, folder: Path) -> list[tuple[Subject, int]]:
    """Writes photos, sprite and ``subject.json`` of every subject, the demo's too, to ``folder/<name>``.

    Returns the subjects with the numbers by which ``photos`` knows them.
    """
    numbered = [(subject, number) for number, subject in enumerate(subjects(world.art))]
    numbered.append((demo_subject(), DEMO_NUMBER))
    for subject, number in numbered:
        target = folder / subject.name
        for size in SIZES:
            (target / str(size)).mkdir(parents=True, exist_ok=True)
            for k, photo in enumerate(photos(world, subject, number, size)):
                Image.fromarray(photo).save(target / str(size) / f"{k}.png")
        Image.fromarray(subject.pixels).save(target / "sprite.png")
        (target / "subject.json").write_text(json.dumps(_description(subject), indent=1) + "\n", encoding="utf-8")
    return numbered


def photos(world: World, subject: Subject, number: int, size: int) -> list[NDArray[np.uint8]]:
    """The five photos of subject ``number``, each uint8 [S, S, 3]."""
    return [
        render_subject(world, subject, PHOTO_SEED, number * len(subject.contexts) + k, size, context)
        for k, context in enumerate(subject.contexts)
    ]


def _from_art(art: Art, plan: _Plan) -> Subject:
    style, code_point = plan.source
    for index, sprite in enumerate(art.sprites):
        if (sprite.class_noun, sprite.style, sprite.code_point) == (plan.class_noun, style, code_point):
            if not sprite.is_held:
                raise RecipeError(f"subject {plan.name} is made of a drawing that worlds show: choose a held-out one")
            return _drawn(plan.name, plan.group, sprite, _changed(art.pixels[index], plan.changes))
    raise RecipeError(f"the art lacks {plan.class_noun} {code_point} in style {style}, which subject {plan.name} needs")


def _drawn(name: str, group: str, sprite: Sprite, pixels: NDArray[np.uint8]) -> Subject:
    return Subject(name, sprite.class_noun, group, "", PACKS[sprite.style].credit, (), pixels, sprite)


def _creature(name: str, class_noun: str, draw: Callable[[], NDArray[np.uint8]]) -> Subject:
    return Subject(name, class_noun, "creature", "", OWN_CREDIT, (), draw())


def _changed(pixels: NDArray[np.uint8], changes: Sequence[Change]) -> NDArray[np.uint8]:
    """A sprite, uint8 RGBA [128, 128, 4] with straight alpha, after changes."""
    sprite = pixels.astype(np.float32) / np.float32(255)
    for change in changes:
        sprite = change(sprite)
    return (np.clip(sprite, 0, 1) * 255 + 0.5).astype(np.uint8) if changes else pixels


def _description(subject: Subject) -> dict[str, object]:
    """What ``subject.json`` says."""
    return {
        "name": subject.name,
        "class_noun": subject.class_noun,
        "group": subject.group,
        "group_means": GROUPS[subject.group],
        "split": subject.split,
        "credit": subject.credit,
        "changes": "rasterised, cropped, placed in a drawn context"
        + ("" if subject.group in UNCHANGED else ", redrawn in other colours or another style"),
        "contexts": list(subject.contexts),
        "source": subject.source._asdict() if subject.source else None,
    }


def write_demo_photos(world: World, folder: Path) -> None:
    """Writes the demo subject's five photos, 128 pixels large, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    for k, photo in enumerate(photos(world, demo_subject(), DEMO_NUMBER, 128)):
        Image.fromarray(photo).save(folder / f"{k}.png", optimize=True)
