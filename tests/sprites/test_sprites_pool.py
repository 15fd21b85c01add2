"""Pools: what the world renders, in order, resumable, never mixed up."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sprites.art.store import Art
from sprites.errors import RecipeError
from sprites.world import pool
from sprites.world.settings import WorldSettings
from sprites.world.world import World

COUNT, SEED, SIZE = 7, 4, 32


@pytest.fixture
def work(tmp_path: Path, art: Art, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(pool, "CHUNK", 3)
    art.save(tmp_path / "art.npz")
    return tmp_path


def render(work: Path, settings: WorldSettings, seed: int = SEED) -> Path:
    pool.render_pool(work / "pool", settings, COUNT, seed, SIZE, workers=1)
    return work / "pool"


def assert_is_the_world(folder: Path, art: Art, settings: WorldSettings) -> None:
    pictures, records = np.load(folder / "pictures.npy"), json.loads((folder / "records.json").read_text())
    expected = [World(art, settings).render(SEED, index, SIZE) for index in range(COUNT)]
    np.testing.assert_array_equal(pictures, np.stack([picture.pixels for picture in expected]))
    assert records == [list(picture.record) for picture in expected]


def test_a_pool_holds_the_first_pictures_of_its_seed(work: Path, art: Art, small: WorldSettings) -> None:
    folder = render(work, small)
    assert_is_the_world(folder, art, small)
    assert sorted(path.name for path in folder.iterdir()) == ["pictures.npy", "pool.json", "records.json"]


def test_an_interrupted_pool_goes_on(
    work: Path, art: Art, small: WorldSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, rendered = pool._render_chunk, []

    def interrupted(order: pool.PoolOrder, first: int, end: int) -> object:
        if first == 3 and not rendered.count(3):
            rendered.append(3)
            raise KeyboardInterrupt
        rendered.append(first)
        return whole(order, first, end)

    monkeypatch.setattr(pool, "_render_chunk", interrupted)
    with pytest.raises(KeyboardInterrupt):
        render(work, small)
    assert not (work / "pool").exists()
    folder = render(work, small)
    assert rendered == [0, 3, 3, 6]
    assert_is_the_world(folder, art, small)


def test_a_finished_pool_is_left_alone(work: Path, small: WorldSettings) -> None:
    before = (render(work, small) / "pictures.npy").stat().st_mtime_ns
    assert (render(work, small) / "pictures.npy").stat().st_mtime_ns == before


def test_another_pool_is_not_overwritten(work: Path, small: WorldSettings) -> None:
    render(work, small)
    with pytest.raises(RecipeError, match="another pool"):
        render(work, small, seed=SEED + 1)


def test_missing_art_is_explained(tmp_path: Path, small: WorldSettings) -> None:
    with pytest.raises(RecipeError, match="python -m sprites art"):
        render(tmp_path, small)
