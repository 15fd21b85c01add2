"""The class-image set: what the base model draws of the class before training (DreamBooth, §3.2).

A set is a folder named by everything that decides its pictures; `set.json` inside says what that was. Only
pictures that bear the mark of their set and number count; broken and blank ones are drawn again.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lorabooth.data.cache import digest
from lorabooth.errors import InputError
from lorabooth.families import Family
from lorabooth.files import write_text
from lorabooth.generation import Request, Sampler, generate
from lorabooth.grid import save_png
from lorabooth.randomness import derived_seed

MARK = "lorabooth class image"
BLANK = 2.0  # standard deviation in grey levels under which a picture shows nothing


@dataclass(frozen=True)
class ClassImageSettings:
    """Everything that decides the pictures of a set."""

    prompt: str
    base: str
    fingerprint: str
    sampler: Sampler
    precision: str
    batch_size: int
    seed: int = 0

    @property
    def key(self) -> str:
        """The set's folder name."""
        noun = "".join(c if c.isalnum() else "-" for c in self.prompt.lower()).strip("-")[:40]
        decides = {k: v for k, v in asdict(self).items() if k != "base"}
        return f"{noun}-{digest(json.dumps(decides, sort_keys=True))[:10]}"


@dataclass(frozen=True)
class ClassImageSet:
    """A set's folder and the first ``count`` pictures that are whole."""

    folder: Path
    settings: ClassImageSettings
    count: int

    def path(self, number: int) -> Path:
        """Where picture ``number`` lies."""
        return self.folder / f"{number:06d}.png"

    def missing(self) -> list[int]:
        """Numbers of pictures that are absent, broken, blank or not of this set."""
        return [n for n in range(self.count) if not usable(self.path(n), self.mark(n))]

    def mark(self, number: int) -> str:
        """What picture ``number`` bears inside, so that no other file passes for it."""
        return f"{self.settings.key} {number}"

    def save(self, picture: Image.Image, number: int) -> None:
        """Writes picture ``number`` atomically."""
        save_png(picture, self.path(number), {MARK: self.mark(number)})

    def files(self) -> list[tuple[Path, str]]:
        """Every picture with the digest of its bytes."""
        return [(self.path(n), hashlib.sha256(self.path(n).read_bytes()).hexdigest()) for n in range(self.count)]


def usable(path: Path, mark: str) -> bool:
    """Whether the file is a whole PNG that bears the mark and shows something."""
    try:
        with Image.open(path, formats=["PNG"]) as image:
            shows = float(np.asarray(image.convert("L"), dtype=np.float32).std()) > BLANK
            return shows and image.info.get(MARK) == mark
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error):
        return False


def open_set(root: Path, settings: ClassImageSettings, count: int) -> ClassImageSet:
    """The set for these settings under ``root``; its folder is made and described if it is new.

    Raises:
        InputError: a folder of that name was made for other settings.
    """
    folder = root / settings.key
    described = folder / "set.json"
    record = json.loads(json.dumps(asdict(settings)))
    if described.exists():
        try:
            found = json.loads(described.read_text())
        except ValueError:
            found = None
        if not isinstance(found, dict) or {**found, "base": ""} != {**record, "base": ""}:
            raise InputError(
                f"{folder} holds class images made with other settings.", f"Delete {folder}, or set prior.folder."
            )
    else:
        write_text(described, json.dumps(record, indent=1))
    return ClassImageSet(folder, settings, count)


def fill(images: ClassImageSet, load_family: Callable[[], Family]) -> Iterator[tuple[int, int]]:
    """Draws what is missing, in whole batches, and yields (pictures ready, pictures wanted) after each batch.

    Batches are aligned to their numbers, so that a picture comes out the same whatever was drawn before it.
    """
    missing = set(images.missing())
    batch = images.settings.batch_size
    ready = images.count - len(missing)
    family = load_family() if missing else None
    for start in range(0, images.count, batch):
        numbers = range(start, min(start + batch, images.count))
        if family is None or missing.isdisjoint(numbers):
            continue
        everyone = range(start, start + batch)
        wanted = [
            Request(images.settings.prompt, derived_seed(images.settings.seed, n, "class-image")) for n in everyone
        ]
        drawn = list(generate(family, wanted, images.settings.sampler, batch))
        for number, picture in zip(numbers, drawn, strict=False):
            if number in missing:
                images.save(picture, number)
                ready += 1
        yield ready, images.count
    blank = images.missing()
    if blank:
        raise InputError(
            f"{len(blank)} of {images.count} class images for “{images.settings.prompt}” came out blank.",
            "The base model may be broken in this precision: try training.precision=fp32.",
        )
