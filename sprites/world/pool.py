"""Renders many pictures of a world to disk, on all cores, resumably."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sprites.art.store import Art
from sprites.errors import RecipeError
from sprites.world.record import Record
from sprites.world.settings import WorldSettings
from sprites.world.world import World

CHUNK = 500  # pictures that one process renders at a time


@dataclass(frozen=True)
class PoolOrder:
    """Everything that decides what a pool contains."""

    art: Path
    settings: WorldSettings
    number: int
    seed: int
    size: int

    def description(self) -> dict[str, Any]:
        """What is kept beside the pictures, to know them by."""
        return {
            "world": asdict(self.settings),
            "number": self.number,
            "seed": self.seed,
            "size": self.size,
            "art_bytes": self.art.stat().st_size,
        }

    def chunks(self) -> list[tuple[int, int]]:
        """First and past-the-last index of every chunk."""
        return [(first, min(first + CHUNK, self.number)) for first in range(0, self.number, CHUNK)]


def render_pool(
    folder: Path,
    settings: WorldSettings,
    number: int,
    seed: int,
    size: int = 64,
    *,
    art: Path | None = None,
    workers: int | None = None,
) -> None:
    """Writes ``pictures.npy`` [n, S, S, 3] uint8, ``records.json`` and ``pool.json`` to ``folder``.

    Works in ``<folder>.part`` and renames it when all is done; what an interrupted call had finished is kept. A pool
    that is already there is left alone when it is the one that was asked for. The art is that beside ``folder`` and
    the workers as many as there are cores, unless told.
    """
    order = PoolOrder(art or folder.parent / "art.npz", settings, number, seed, size)
    if not order.art.exists():
        raise RecipeError(f"{order.art} is missing: make it with `python -m sprites art`")
    if folder.exists():
        _require_same(folder, order)
        print(f"{folder}: {number} pictures are there already")
        return
    part = folder.with_name(folder.name + ".part")
    pictures = _open_part(part, order)
    todo = [chunk for chunk in order.chunks() if not _records_file(part, chunk[0]).exists()]
    started, rendered = time.monotonic(), 0
    for first, pixels, records in _render_chunks(order, todo, workers or os.cpu_count() or 1):
        pictures[first : first + len(pixels)] = pixels
        pictures.flush()
        _write_json(_records_file(part, first), records)
        rendered += len(pixels)
        _show_progress(folder, rendered, sum(end - start for start, end in todo), time.monotonic() - started)
    _finish(part, folder, order)


def _render_chunks(
    order: PoolOrder, chunks: list[tuple[int, int]], workers: int
) -> Iterator[tuple[int, NDArray[np.uint8], list[Record]]]:
    """First index, pictures and records of every chunk, in the order in which they get ready."""
    if workers == 1:
        yield from (_render_chunk(order, *chunk) for chunk in chunks)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as executor:
        for future in as_completed([executor.submit(_render_chunk, order, *chunk) for chunk in chunks]):
            yield future.result()


_WORLDS: dict[str, World] = {}  # of this process: building one takes as long as rendering 300 pictures


def _world(order: PoolOrder) -> World:
    key = json.dumps(order.description()) + str(order.art)
    if key not in _WORLDS:
        _WORLDS[key] = World(Art.load(order.art), order.settings)
    return _WORLDS[key]


def _render_chunk(order: PoolOrder, first: int, end: int) -> tuple[int, NDArray[np.uint8], list[Record]]:
    world = _world(order)
    rendered = [world.render(order.seed, index, order.size) for index in range(first, end)]
    return first, np.stack([picture.pixels for picture in rendered]), [picture.record for picture in rendered]


def _open_part(part: Path, order: PoolOrder) -> np.memmap[Any, Any]:
    """The picture file of the unfinished folder, new or as it was left."""
    file = part / "pictures.npy"
    if (part / "pool.json").exists():
        _require_same(part, order)
        return np.lib.format.open_memmap(file, mode="r+")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    shape = (order.number, order.size, order.size, 3)
    pictures = np.lib.format.open_memmap(file, mode="w+", dtype=np.uint8, shape=shape)
    _write_json(part / "pool.json", order.description())
    return pictures


def _require_same(folder: Path, order: PoolOrder) -> None:
    file = folder / "pool.json"
    known = json.loads(file.read_text(encoding="utf-8")) if file.exists() else None
    if known != json.loads(json.dumps(order.description())):
        raise RecipeError(f"{folder} holds another pool than the one asked for: delete it or name another folder")


def _finish(part: Path, folder: Path, order: PoolOrder) -> None:
    """Joins the records of all chunks and gives the folder its name."""
    files = [_records_file(part, first) for first, _ in order.chunks()]
    records = [row for file in files for row in json.loads(file.read_text(encoding="utf-8"))]
    _write_json(part / "records.json", records)
    shutil.rmtree(part / "chunks")
    part.rename(folder)


def _records_file(part: Path, first: int) -> Path:
    return part / "chunks" / f"{first:09d}.json"


def _write_json(path: Path, value: object) -> None:
    """Writes under a temporary name and renames, so that a file that is there is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    temporary.replace(path)


def _show_progress(folder: Path, rendered: int, wanted: int, seconds: float) -> None:
    rate = rendered / max(seconds, 1e-9)
    end = "\n" if rendered == wanted else "\r"
    print(f"{folder.name}: {rendered} of {wanted} pictures, {rate:.0f} a second", end=end, flush=True)
