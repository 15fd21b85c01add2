"""Scenes with everything: pairs, sizes, colours, patterns, accessories, whole-picture looks, and their captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sprites.art.store import Sprite
from sprites.world import accessories, looks
from sprites.world.captions import CLOSE_UPS, PHOTO_PREFIXES, RELATIONS, SIZE_WORDS, UPSIDE_DOWN, article, join
from sprites.world.contexts import Backdrop, Context, Ground
from sprites.world.draw import Array, Rng, pick, rgb
from sprites.world.figure import Figure
from sprites.world.plain import expose, lean, rich_prefix, stand, to_pixels
from sprites.world.record import Picture, Record
from sprites.world.scene import Pose, add_figure


class Member(NamedTuple):
    """A sprite that a world may show, and its figure."""

    sprite: Sprite
    figure: Figure


@dataclass(frozen=True)
class Cast:
    """Who may appear: members by class, and accessories by kind and style."""

    members: Mapping[str, Sequence[Member]]
    accessories: Mapping[str, Mapping[str, Figure]]
    classes: Sequence[str] = field(init=False)
    living: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        classes = sorted(self.members)
        object.__setattr__(self, "classes", classes)
        object.__setattr__(self, "living", [c for c in classes if self.members[c][0].sprite.is_alive])


class Shown(NamedTuple):
    """What the caption has to say about the subjects of a scene, and the style to name (none when mixed)."""

    body: str
    style: str | None
    is_close_up: bool = False


def rich_scene(rng: Rng, size: int, cast: Cast, context: Context, span: tuple[float, float]) -> Picture:
    """One or two subjects in a context, changed and dressed by chance."""
    backdrop = context.paint(rng, size)
    phrase = pick(rng, context.phrases)
    as_pair = rng.random() < 0.12
    first = pick(rng, cast.members[pick(rng, cast.living if rng.random() < 0.25 else cast.classes)])
    tilt, flip = lean(rng)
    if as_pair:
        shown = _pair(rng, cast, context, backdrop, first, tilt, flip)
    else:
        shown = _single(rng, cast, context, backdrop, first, tilt, flip, span)
    if context.overlay:
        context.overlay(backdrop.canvas, rng)
    pixels, prefix = _finish(rng, np.clip(backdrop.canvas, 0, 1), shown)
    if shown.is_close_up and (rng.random() < 0.7 or prefix not in PHOTO_PREFIXES):
        prefix = ""
    if rng.random() < 0.06:
        phrase = ""
    record = Record(join(prefix, shown.body, phrase), first.sprite.class_noun, first.sprite.style, context.name)
    return Picture(pixels, record)


def _finish(rng: Rng, canvas: Array, shown: Shown) -> tuple[NDArray[np.uint8], str]:
    """The finished pixels and the caption's prefix, of a whole-picture look one time in fifteen."""
    draw = rng.random()
    for bound, look, names in looks.WHOLE_PICTURE:
        if draw < bound and not (look is looks.pencil and shown.is_close_up):
            return to_pixels(look(canvas)), pick(rng, names)
    pixels = to_pixels(expose(canvas, rng))
    return pixels, rich_prefix(rng, shown.style)


def _other_colours(context: Context) -> list[str]:
    """Colours that do not vanish in a background of the same name."""
    return [name for name in looks.COLOURS if not context.name.endswith("_" + name)]


# ---------------------------------------------------------------- two subjects


def _pair(rng: Rng, cast: Cast, context: Context, backdrop: Backdrop, first: Member, tilt: float, flip: bool) -> Shown:
    second = _partner(rng, cast, first.sprite)
    poses = _pair_poses(rng, backdrop, tilt, flip)
    changes: list[list[looks.Change]] = [[], []]
    nouns = [first.sprite.class_noun, second.sprite.class_noun]
    for k in range(2):
        if rng.random() < 0.3:
            colour = pick(rng, _other_colours(context))
            changes[k], nouns[k] = [looks.recolouring(colour)], f"{colour} {nouns[k]}"
    swap = rng.random() < 0.5
    if swap:
        poses = [_moved(poses[0], poses[1].x), _moved(poses[1], poses[0].x)]
    add_figure(backdrop.canvas, first.figure, backdrop.ground, poses[0], changes[0])
    mirrored = Pose(poses[1].side, poses[1].x, poses[1].foot, -tilt, rng.random() < 0.5)
    add_figure(backdrop.canvas, second.figure, backdrop.ground, mirrored, changes[1])
    draw = rng.random()
    both, beside, right_of, left_of = RELATIONS
    sides = right_of if swap else left_of
    relation = both if draw < 0.5 else beside if draw < 0.7 else sides
    style = first.sprite.style if second.sprite.style == first.sprite.style else None
    return Shown(f"{article(nouns[0])} {relation} {article(nouns[1])}", style)


def _partner(rng: Rng, cast: Cast, first: Sprite) -> Member:
    """A member of another class, in the same style where there is one."""
    candidates = (pick(rng, cast.living), pick(rng, cast.classes), pick(rng, cast.classes))
    others = [c for c in candidates if c != first.class_noun] or ["cat" if first.class_noun == "dog" else "dog"]
    members = cast.members[pick(rng, others)]
    return pick(rng, [m for m in members if m.sprite.style == first.style] or members)


def _pair_poses(rng: Rng, backdrop: Backdrop, tilt: float, flip: bool) -> list[Pose]:
    size = backdrop.canvas.shape[0]
    sides = size * rng.uniform(0.36, 0.5), size * rng.uniform(0.36, 0.5)
    xs = size * rng.uniform(0.22, 0.3), size * rng.uniform(0.7, 0.78)
    highest = max(backdrop.horizon, 0.45)
    left = size * rng.uniform(max(highest, 0.62), 0.95)
    right = min(max(left + size * rng.normal(0, 0.04), size * max(highest, 0.6)), size * 0.97)
    if backdrop.ground is Ground.NONE:
        left, right = size * rng.uniform(0.35, 0.65), size * rng.uniform(0.35, 0.65)
    return [Pose(sides[0], xs[0], left, tilt, flip), Pose(sides[1], xs[1], right, tilt, flip)]


def _moved(pose: Pose, x: float) -> Pose:
    return Pose(pose.side, x, pose.foot, pose.tilt, pose.flip, pose.upside_down)


# ---------------------------------------------------------------- one subject


@dataclass
class _Variation:
    """What is unusual about a single subject."""

    span: tuple[float, float]
    size_word: str = ""
    close_up: str = ""
    upside_down: bool = False
    adjectives: list[str] = field(default_factory=list)
    changes: list[looks.Change] = field(default_factory=list)
    accessory: accessories.Accessory | None = None

    def body(self, noun: str) -> str:
        """How a caption describes it."""
        described = article(join(UPSIDE_DOWN if self.upside_down else "", self.size_word, *self.adjectives, noun))
        return join(self.close_up, described, self.accessory.phrase if self.accessory else "")


def _vary(rng: Rng, cast: Cast, context: Context, sprite: Sprite, span: tuple[float, float]) -> _Variation:
    varied, draw = _Variation(span), rng.random()
    if draw < 0.09:
        varied.close_up, varied.span = pick(rng, CLOSE_UPS), (0.95, 1.25)
    elif draw < 0.15:
        varied.size_word, varied.span = SIZE_WORDS[0], (0.17, 0.26)
    elif draw < 0.19:
        varied.size_word, varied.span = SIZE_WORDS[1], (0.78, 0.95)
    if rng.random() < 0.24:
        colour = pick(rng, _other_colours(context))
        varied.adjectives, varied.changes = [colour], [looks.recolouring(colour)]
    if rng.random() < 0.04:
        kind = pick(rng, looks.PATTERNS)
        ink = rgb(250, 250, 250) if rng.random() < 0.5 else rgb(50, 50, 60)
        varied.adjectives.insert(0, kind)
        varied.changes.append(partial(looks.pattern, rng=rng, kind=kind, colour=ink))
    varied.upside_down = rng.random() < 0.03
    dressed = rng.random() < (0.3 if sprite.is_alive else 0.08)
    if dressed and varied.size_word != SIZE_WORDS[0] and not varied.upside_down:
        varied.accessory = accessories.choose(rng, sprite.style, cast.accessories)
    return varied


def _single(
    rng: Rng, cast: Cast, context: Context, backdrop: Backdrop, member: Member, tilt: float, flip: bool,
    span: tuple[float, float],
) -> Shown:  # fmt: skip
    size = backdrop.canvas.shape[0]
    varied = _vary(rng, cast, context, member.sprite, span)
    worn = varied.accessory is not None
    side = size * rng.uniform(*varied.span)
    if worn and side > 0.62 * size and not varied.size_word and not varied.close_up:
        side = size * rng.uniform(0.45, 0.62)
    x, foot = stand(rng, size, side, backdrop, worn=worn, close_up=bool(varied.close_up))
    pose = Pose(side, x, foot, tilt, flip, varied.upside_down)
    add_figure(backdrop.canvas, member.figure, backdrop.ground, pose, varied.changes, varied.accessory)
    return Shown(varied.body(member.sprite.class_noun), member.sprite.style, bool(varied.close_up))
