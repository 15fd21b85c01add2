"""Line-ups: a held-out subject among nine other members of its class, all in the same contexts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sprites.errors import RecipeError
from sprites.subjects import NEW_CONTEXTS, Subject, class_members, photos, render_subject, subjects
from sprites.training.variants import vary
from sprites.world.world import World

SIX_NEW = NEW_CONTEXTS[:6]
PEERS = 9
LINE_UP_SEED = 4242


@dataclass(frozen=True)
class LineUp:
    """A subject and its nine peers, the subject first.

    ``known`` [10, 5, S, S, 3] shows everyone in the contexts of the subject's photos, the subject by those very photos;
    ``asked`` [10, 6, S, S, 3] shows everyone in the new contexts.
    """

    subject: Subject
    known: NDArray[np.uint8]
    asked: NDArray[np.uint8]


def peers(world: World, subject: Subject, count: int = PEERS) -> list[Subject]:
    """Other members of the class; where the art has too few, some of them in other colours."""
    rng = np.random.default_rng([LINE_UP_SEED, len(subject.name)])
    members = class_members(world, subject.class_noun)
    if not members:
        raise RecipeError(f"the art has no other {subject.class_noun}: make it again with `python -m sprites art`")
    order = rng.permutation(len(members))
    chosen = [members[k] for k in order[:count]]
    while len(chosen) < count:
        member = members[int(rng.integers(len(members)))]
        chosen.append(replace(member, name=f"{member.name}_{len(chosen)}", pixels=vary(member.pixels, rng)))
    return chosen


def line_up(world: World, subject: Subject, number: int, size: int = 64) -> LineUp:
    """The line-up of subject ``number``."""
    everyone = [subject, *peers(world, subject)]

    def shown(member: Subject, which: int, contexts: Sequence[str], part: int) -> NDArray[np.uint8]:
        first = (number * 100 + which) * 100 + part * 10
        return np.stack(
            [render_subject(world, member, LINE_UP_SEED, first + k, size, name) for k, name in enumerate(contexts)]
        )

    known = [np.stack(photos(world, subject, number, size))]
    known += [shown(member, k, subject.contexts, 0) for k, member in enumerate(everyone) if k]
    asked = [shown(member, k, SIX_NEW, 1) for k, member in enumerate(everyone)]
    return LineUp(subject, np.stack(known), np.stack(asked))


def line_ups(world: World, split: str, size: int = 64) -> list[LineUp]:
    """The line-ups of all subjects of a split."""
    numbered = list(enumerate(subjects(world.art)))
    return [line_up(world, subject, number, size) for number, subject in numbered if subject.split == split]
