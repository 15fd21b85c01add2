"""Subjects: new to every world, balanced, drawn again from their names."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import sprites.subjects
from sprites.art.classes import stranger_nouns
from sprites.art.store import Art
from sprites.errors import RecipeError
from sprites.subjects import (
    GROUPS,
    NEW_CONTEXTS,
    Subject,
    class_members,
    demo_subject,
    photos,
    render_subject,
    subjects,
    write_subjects,
)
from sprites.world.contexts import CONTEXTS
from sprites.world.settings import SMALL, WORLDS, WorldSettings
from sprites.world.world import World, is_shown


@pytest.fixture(scope="module")
def everyone(art: Art) -> tuple[Subject, ...]:
    return subjects(art)


@pytest.fixture(scope="module")
def demo() -> Subject:
    return demo_subject()


@pytest.fixture(scope="module")
def world(art: Art, small: WorldSettings) -> World:
    return World(art, small)


def test_groups_are_balanced_between_the_splits(everyone: tuple[Subject, ...]) -> None:
    counts = Counter((subject.group, subject.split) for subject in everyone)
    assert {group for group, _ in counts} == set(GROUPS)
    assert all(counts[group, "tuning"] == counts[group, "report"] for group in GROUPS)
    assert Counter(subject.split for subject in everyone) == {"tuning": 12, "report": 12}
    assert len({subject.name for subject in everyone}) == 24


def test_no_world_shows_what_a_subject_is_made_of(everyone: tuple[Subject, ...]) -> None:
    sources = [subject.source for subject in everyone if subject.source]
    assert len(set(sources)) == len(sources) == 20
    assert not any(is_shown(source, settings) for source in sources for settings in WORLDS.values())


def test_class_nouns_are_known_except_those_of_strangers(everyone: tuple[Subject, ...]) -> None:
    for subject in everyone:
        assert (subject.class_noun in SMALL.classes) == (subject.group != "stranger")
        assert (subject.class_noun in stranger_nouns()) == (subject.group == "stranger")


def test_contexts_are_five_and_leave_new_ones(everyone: tuple[Subject, ...], demo: Subject) -> None:
    for subject in (*everyone, demo):
        assert len(set(subject.contexts)) == 5
        assert set(subject.contexts) < set(SMALL.contexts) - set(NEW_CONTEXTS)
    assert set(NEW_CONTEXTS) < set(SMALL.contexts)


@pytest.mark.parametrize("size", [64, 128])
def test_a_subject_is_drawn_again_alike(world: World, demo: Subject, size: int) -> None:
    first = render_subject(world, demo, 5, 3, size, "snow")
    assert first.shape == (size, size, 3)
    np.testing.assert_array_equal(first, render_subject(world, demo, 5, 3, size, "snow"))
    assert not np.array_equal(first, render_subject(world, demo, 5, 4, size, "snow"))


def test_an_unknown_context_is_refused(world: World, demo: Subject) -> None:
    with pytest.raises(RecipeError, match="no context 'moon'"):
        render_subject(world, demo, 5, 3, 64, "moon")


def test_subjects_fill_much_of_the_picture(world: World, demo: Subject) -> None:
    for k in range(8):
        empty = CONTEXTS["bg_white"].paint(np.random.default_rng([5, k]), 64).canvas
        picture = render_subject(world, demo, 5, k, 64, "bg_white") / 255
        assert (np.abs(picture - empty).max(-1) > 0.2).mean() > 0.12


def test_class_members_are_others_of_the_class(everyone: tuple[Subject, ...], world: World) -> None:
    taken = {subject.source for subject in everyone}
    for class_noun in ("dog", "dodo"):
        members = class_members(world, class_noun)
        assert members
        assert all(member.class_noun == class_noun and member.source not in taken for member in members)
        assert render_subject(world, members[0], 1, 1, 64, "grass").shape == (64, 64, 3)
    assert class_members(world, "nothing") == ()


def test_written_subjects_can_be_read(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sprites.subjects, "SIZES", (24, 32))
    written = write_subjects(world, tmp_path)
    assert len(list(tmp_path.glob("*/subject.json"))) == len(written) == 25
    assert len(list(tmp_path.glob("*/*/*.png"))) == 25 * 2 * 5
    for subject, number in written:
        said = json.loads((tmp_path / subject.name / "subject.json").read_text())
        assert said["class_noun"] == subject.class_noun
        assert said["credit"]
        assert len(photos(world, subject, number, 32)) == len(said["contexts"])
