"""Rasterises every drawing of every pack to one square sprite."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sprites.art.classes import STYLES, Drawing, drawings
from sprites.art.icons import Source, open_sources
from sprites.art.selection import HELD, LEFT_OUT
from sprites.art.store import Art, Sprite
from sprites.errors import RecipeError

SIDE, MARGIN = 128, 2


def build(cache: Path) -> Art:
    """All the art, from packs in ``cache`` (fetched there where they are missing)."""
    art = collect(drawings(), open_sources(cache))
    found = {(s.class_noun, s.code_point, s.style) for s in art.sprites}
    if missing := sorted(HELD - found):
        raise RecipeError(f"the packs lack held-out drawings: {missing}")
    return art


def collect(wanted: Iterable[Drawing], sources: Mapping[str, Source]) -> Art:
    """Every wanted drawing in every style that has it."""
    pairs = [pair for drawing in wanted for pair in _sprites(drawing, sources)]
    return Art(np.stack([pixels for _, pixels in pairs]), tuple(sprite for sprite, _ in pairs))


def _sprites(drawing: Drawing, sources: Mapping[str, Source]) -> Iterator[tuple[Sprite, NDArray[np.uint8]]]:
    for style in STYLES:
        if drawing.is_accessory and style == "fx":
            continue
        if not drawing.is_accessory and (drawing.class_noun, style) in LEFT_OUT:
            continue
        picture = sources[style].draw(drawing.code_point)
        pixels = fit(picture) if picture else None
        if pixels is not None:
            yield _describe(drawing, style), pixels


def _describe(drawing: Drawing, style: str) -> Sprite:
    is_marked = not drawing.is_accessory and (drawing.class_noun, drawing.code_point, style) in HELD
    return Sprite(
        drawing.class_noun, drawing.code_point, style, drawing.is_face, drawing.is_alive, drawing.is_accessory,
        is_held=is_marked or drawing.is_stranger,
    )  # fmt: skip


def fit(picture: Image.Image) -> NDArray[np.uint8] | None:
    """Crops to what is visible and fits it, centred and standing on the lower margin, into uint8 RGBA [128, 128, 4].

    None where next to nothing is visible.
    """
    rows, columns = np.where(np.asarray(picture)[..., 3] > 12)
    if len(rows) < 50:
        return None
    cropped = picture.crop((int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1))
    side = max(cropped.size)
    square = Image.new("RGBA", (side, side))
    square.paste(cropped, ((side - cropped.width) // 2, side - cropped.height))
    inner = SIDE - 2 * MARGIN
    sprite = Image.new("RGBa", (SIDE, SIDE))
    sprite.paste(square.convert("RGBa").resize((inner, inner), Image.Resampling.LANCZOS), (MARGIN, MARGIN))
    pixels = np.array(sprite.convert("RGBA"))
    pixels[pixels[..., 3] == 0] = 0
    return pixels
