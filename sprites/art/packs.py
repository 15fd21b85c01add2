"""The art packs: where they come from, who drew them, under which licence; fetched with ``npm pack``."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from sprites.errors import RecipeError


class Pack(NamedTuple):
    """One npm package."""

    name: str
    version: str
    style: str
    """Key of the drawing style; empty for a pack without drawings."""
    design: str
    licence: str
    """Licence of the drawings."""
    declared: str
    """Licence field of the package metadata, which may speak of the code only."""

    @property
    def folder(self) -> str:
        """Name of its folder in the cache."""
        return f"{self.name.removeprefix('@').replace('/', '-')}-{self.version}"

    @property
    def credit(self) -> str:
        """Package, designer and licence in one line."""
        return f"{self.name} {self.version}, design by {self.design}, {self.licence}"


_ART = (
    Pack("@lobehub/fluent-emoji-3d", "1.1.0", "3d", "Microsoft (Fluent Emoji), packed by LobeHub", "MIT", "MIT"),
    Pack("@iconify-json/fluent-emoji-flat", "1.2.6", "flat", "Microsoft Corporation (Fluent Emoji)", "MIT", "MIT"),
    Pack("@iconify-json/noto", "1.2.9", "noto", "Google Inc (Noto Emoji)", "Apache-2.0", "Apache-2.0"),
    Pack("@iconify-json/noto-v1", "1.2.5", "noto1", "Google Inc (Noto Emoji 1)", "Apache-2.0", "Apache-2.0"),
    Pack("@iconify-json/twemoji", "1.2.5", "tw", "Twitter, Inc and other contributors", "CC-BY-4.0", "CC-BY-4.0"),
    Pack("@iconify-json/emojione", "1.2.3", "eo", "Emoji One 2.3 (EmojiTwo)", "CC-BY-4.0", "CC-BY-4.0"),
    Pack("@iconify-json/fxemoji", "1.2.2", "fx", "Mozilla (Firefox OS Emoji)", "CC-BY-4.0", "Apache-2.0"),
)
PACKS: dict[str, Pack] = {pack.style: pack for pack in _ART}
LABELS = Pack("emojibase-data", "17.0.0", "", "emojibase (names of code points only)", "MIT", "MIT")


def fetch(pack: Pack, cache: Path) -> Path:
    """The checked folder of a pack, downloaded unless it lies in ``cache``."""
    folder = cache / pack.folder
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as temporary:
            unpacked = Path(temporary) / "package"
            _unpack(_download(pack, Path(temporary)), unpacked)
            check(pack, unpacked)
            shutil.move(unpacked, folder)
    check(pack, folder)
    return folder


def check(pack: Pack, folder: Path) -> None:
    """Raises unless the metadata in ``folder`` names this package, this version and the licence we rely on."""
    metadata = folder / "package.json"
    if not metadata.exists():
        raise RecipeError(f"{folder} has no package.json: delete that folder and run `python -m sprites art` again")
    found = json.loads(metadata.read_text(encoding="utf-8"))
    for key, expected in (("name", pack.name), ("version", pack.version), ("license", pack.declared)):
        if found.get(key) != expected:
            raise RecipeError(
                f"{metadata} says {key} {found.get(key)!r} where {expected!r} was expected: "
                f"read the licence of {pack.name} anew before using it, then update sprites/art/packs.py"
            )


def _download(pack: Pack, folder: Path) -> Path:
    source = f"{pack.name}@{pack.version}"
    command = ["npm", "pack", "--silent", source]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=600)
    except FileNotFoundError:
        raise RecipeError(f"npm is missing: install Node.js, which fetches {source}") from None
    except subprocess.TimeoutExpired:
        raise RecipeError(f"`npm pack {source}` did not end within ten minutes: try again") from None
    except subprocess.CalledProcessError as error:
        reason = (error.stderr or error.stdout).strip().splitlines() or ["no reason given"]
        raise RecipeError(
            f"`npm pack {source}` failed ({reason[-1]}): is there a connection to the registry?"
        ) from None
    archives = list(folder.glob("*.tgz"))
    if not archives:
        raise RecipeError(f"`npm pack {source}` left no archive: try it by hand")
    return archives[0]


def _unpack(archive: Path, folder: Path) -> None:
    """Extracts a package without its top folder."""
    with tarfile.open(archive) as file:
        members = file.getmembers()
        for member in members:
            member.path = member.path.partition("/")[2]
        file.extractall(folder, [m for m in members if m.path], filter="data")
