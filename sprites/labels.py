"""Contact sheets with words under the pictures."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

LINES, LINE_HEIGHT, LETTER_WIDTH = 4, 11, 6


def write_labelled_sheet(
    path: Path, cells: Sequence[tuple[str, NDArray[np.uint8]]], columns: int = 10, side: int = 128
) -> None:
    """Writes (label, uint8 [S, S, 3]) cells as one PNG, each picture ``side`` large over up to four lines of label."""
    width, height = side + 4, side + 4 + LINES * LINE_HEIGHT
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    draw = ImageDraw.Draw(sheet)
    for k, (label, pixels) in enumerate(cells):
        x, y = k % columns * width, k // columns * height
        sheet.paste(Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST), (x, y))
        for line, text in enumerate(textwrap.wrap(label, side // LETTER_WIDTH)[:LINES]):
            draw.text((x, y + side + line * LINE_HEIGHT), text, fill="black", font_size=11)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp.png")
    sheet.save(temporary)
    temporary.replace(path)
