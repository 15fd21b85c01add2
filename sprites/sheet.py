"""Contact sheets of small pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image


def write_sheet(path: Path, rows: Sequence[np.ndarray | Sequence[np.ndarray]], zoom: int = 1, gap: int = 2) -> None:
    """Writes rows of equally large uint8 pictures [h, w, 3] as one PNG, white between them."""
    height, width = rows[0][0].shape[:2]
    columns = max(len(row) for row in rows)
    sheet = Image.new("RGB", (columns * (width + gap), len(rows) * (height + gap)), "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            sheet.paste(Image.fromarray(picture), (x * (width + gap), y * (height + gap)))
    if zoom > 1:
        sheet = sheet.resize((sheet.width * zoom, sheet.height * zoom), Image.Resampling.NEAREST)
    temporary = path.with_suffix(".tmp.png")
    sheet.save(temporary)
    temporary.replace(path)
