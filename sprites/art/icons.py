"""Finds the drawing of a code point in a pack."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import resvg_py
from PIL import Image

from sprites.art.fxemoji import FXEMOJI_NAMES
from sprites.art.packs import LABELS, PACKS, fetch

RASTER = 256  # pixels of a side at which vector drawings are rasterised


class Source(Protocol):
    """One pack, opened."""

    def draw(self, code_point: str) -> Image.Image | None:
        """The RGBA drawing of a code point, or None where the pack has none."""


class PictureSource:
    """A pack of one picture file per code point."""

    def __init__(self, folder: Path) -> None:
        self._files = {_normal(path.stem): path for path in folder.iterdir()}

    def draw(self, code_point: str) -> Image.Image | None:
        """See ``Source``."""
        path = self._files.get(code_point)
        return Image.open(path).convert("RGBA") if path else None


class IconSource:
    """An Iconify pack: one JSON with the body of every SVG; ``names`` lists candidate names of a code point."""

    def __init__(self, folder: Path, names: Mapping[str, list[str]]) -> None:
        self._icons: dict[str, Any] = json.loads((folder / "icons.json").read_text(encoding="utf-8"))
        self._by_code_point, self._names = read_names(folder), names

    def draw(self, code_point: str) -> Image.Image | None:
        """See ``Source``."""
        icon = self._find(code_point)
        if icon is None:
            return None
        drawn = resvg_py.svg_to_bytes(svg_string=self._svg(icon), width=RASTER, height=RASTER)
        return Image.open(io.BytesIO(bytes(drawn))).convert("RGBA")

    def _find(self, code_point: str) -> dict[str, Any] | None:
        if self._by_code_point:
            known = self._by_code_point.get(code_point)
            candidates = [known] if known else []
        else:
            candidates = self._names.get(code_point, [])
        icons, aliases = self._icons["icons"], self._icons.get("aliases", {})
        for candidate in candidates:
            name = aliases[candidate]["parent"] if candidate in aliases else candidate
            if name in icons:
                found: dict[str, Any] = icons[name]
                return found
        return None

    def _svg(self, icon: Mapping[str, Any]) -> str:
        width = icon.get("width", self._icons.get("width", 16))
        height = icon.get("height", self._icons.get("height", 16))
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="{icon.get("left", 0)} {icon.get("top", 0)} {width} {height}" '
            f'width="{RASTER}" height="{RASTER}">{icon["body"]}</svg>'
        )


def open_sources(cache: Path) -> dict[str, Source]:
    """All packs by style, fetched into ``cache`` where they are missing."""
    folders = {style: fetch(pack, cache) for style, pack in PACKS.items()}
    names = _candidate_names(fetch(LABELS, cache), folders)
    squeezed = {
        code_point: [FXEMOJI_NAMES[code_point]]
        if code_point in FXEMOJI_NAMES
        else [name.replace("-", "") for name in candidates]
        for code_point, candidates in names.items()
    }
    sources: dict[str, Source] = {"3d": PictureSource(folders["3d"] / "assets")}
    for style, folder in folders.items():
        if style != "3d":
            sources[style] = IconSource(folder, squeezed if style == "fx" else names)
    return sources


def read_names(folder: Path) -> dict[str, str]:
    """Icon names by code point, where a pack lists them."""
    listed = json.loads((folder / "chars.json").read_text(encoding="utf-8"))
    return {_normal(code_point): name for code_point, name in listed.items()}


def _candidate_names(labels: Path, folders: Mapping[str, Path]) -> dict[str, list[str]]:
    """What a pack without a list of code points may call each: its label, then what other packs call it."""
    entries = json.loads((labels / "en" / "data.json").read_text(encoding="utf-8"))
    names = {_normal(entry["hexcode"]): [_slug(entry["label"])] for entry in entries}
    for style in ("noto", "flat", "tw"):
        for code_point, name in read_names(folders[style]).items():
            names.setdefault(code_point, []).append(name)
    return names


def _normal(code_point: str) -> str:
    """Lower case, without the mark for colour presentation."""
    return code_point.lower().replace("-fe0f", "")


def _slug(label: str) -> str:
    plain = label.lower().replace("’", "").replace("ñ", "n")
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
