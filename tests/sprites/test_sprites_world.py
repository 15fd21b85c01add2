"""The world: deterministic, says only words it knows, has the promised size."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sprites.art.store import Art
from sprites.errors import RecipeError
from sprites.world.contexts import CONTEXTS
from sprites.world.settings import FULL, MEDIUM, SMALL, WorldSettings
from sprites.world.vocabulary import vocabulary
from sprites.world.world import World, is_shown

BUILT_ART = Path(__file__).parents[2] / "build" / "sprites" / "art.npz"
POOL_CAPTIONS = (
    "a bear with a white background",
    "a drawing of a fox in the forest",
    "a photo of a bear in a room",
)
POOL_DIGEST = "fa6ea624fbfc1a215b38118978d14445486080ae4768be97015696c765bb6e61"


def test_render_is_a_function_of_seed_and_index(art: Art, settings: WorldSettings) -> None:
    first, second = World(art, settings), World(art, settings)
    later = [second.render(3, index) for index in reversed(range(12))][::-1]
    for index, again in enumerate(later):
        picture = first.render(3, index)
        assert picture.record == again.record
        np.testing.assert_array_equal(picture.pixels, again.pixels)


def test_seed_and_index_both_matter(art: Art, small: WorldSettings) -> None:
    world = World(art, small)
    pictures = [world.render(*key).pixels for key in ((1, 0), (1, 1), (2, 0))]
    assert not np.array_equal(pictures[0], pictures[1])
    assert not np.array_equal(pictures[0], pictures[2])


@pytest.mark.parametrize("size", [32, 64, 128])
def test_pictures_have_the_size_asked_for(art: Art, settings: WorldSettings, size: int) -> None:
    picture = World(art, settings).render(5, 1, size)
    assert picture.pixels.shape == (size, size, 3)
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels.std() > 3


def test_captions_stay_within_the_vocabulary(art: Art, settings: WorldSettings) -> None:
    world, known = World(art, settings), set(vocabulary(settings))
    records = [world.render(7, index, 32).record for index in range(200)]
    assert {word for record in records for word in record.caption.split()} <= known
    assert {record.class_noun for record in records} == set(settings.classes)
    assert {record.style for record in records} == set(settings.styles)


def test_plain_captions_name_class_and_context(art: Art, small: WorldSettings) -> None:
    world = World(art, small)
    for index in range(50):
        record = world.render(7, index, 32).record
        assert f" {record.class_noun} " in record.caption
        assert record.caption.endswith(CONTEXTS[record.context].phrases)


def test_worlds_have_the_promised_size() -> None:
    counts = [(len(w.classes), len(w.styles), len(w.contexts)) for w in (SMALL, MEDIUM, FULL)]
    assert counts == [(24, 7, 16), (80, 4, 24), (251, 7, 49)]
    for world in (SMALL, MEDIUM):
        assert set(world.classes) < set(FULL.classes)
        assert set(world.contexts) < set(CONTEXTS)
        assert len(set(world.classes)) == len(world.classes)


def test_vocabulary_is_sorted_and_grows_with_the_world() -> None:
    small, medium, full = (set(vocabulary(w)) for w in (SMALL, MEDIUM, FULL))
    assert list(vocabulary(FULL)) == sorted(full)
    assert small - {"drawing"} <= medium | {"drawing"} <= full


def test_held_out_sprites_are_never_cast(art: Art, settings: WorldSettings) -> None:
    cast = World(art, settings).cast
    shown = [member.sprite for members in cast.members.values() for member in members]
    assert shown
    assert not any(sprite.is_held or sprite.is_accessory for sprite in shown)
    assert all(is_shown(sprite, settings) for sprite in shown)


def test_a_class_without_art_is_an_error(art: Art, small: WorldSettings) -> None:
    with pytest.raises(RecipeError, match="zebra"):
        World(art, replace(small, classes=(*small.classes, "zebra")))


@pytest.mark.parametrize("name", CONTEXTS)
def test_every_context_paints_within_bounds(name: str) -> None:
    backdrop = CONTEXTS[name].paint(np.random.default_rng(2), 48)
    assert backdrop.canvas.shape == (48, 48, 3)
    assert backdrop.canvas.dtype == np.float32
    assert 0.2 < backdrop.horizon < 0.9
    assert backdrop.canvas.min() > -0.5
    assert backdrop.canvas.max() < 1.5


@pytest.mark.skipif(not BUILT_ART.exists(), reason="needs the real art: python -m sprites art")
def test_the_small_world_is_the_one_that_bases_were_trained_on() -> None:
    world = World(Art.load(BUILT_ART), SMALL)
    pictures = [world.render(11, index) for index in range(200)]
    assert tuple(picture.record.caption for picture in pictures[:3]) == POOL_CAPTIONS
    digest = hashlib.sha256(json.dumps([picture.record for picture in pictures]).encode())
    for picture in pictures:
        digest.update(picture.pixels.tobytes())
    assert digest.hexdigest() == POOL_DIGEST
