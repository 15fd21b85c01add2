"""Several grids on one sheet, one under the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image

from lorabooth.grid.draw import PAPER, draw_grid
from lorabooth.grid.layout import Labels, layout


@dataclass(frozen=True)
class Panel:
    """One grid of a sheet: rows of pictures (None where one is missing) and their names."""

    cells: Sequence[Sequence[Image.Image | None]]
    row_labels: Sequence[str]
    column_labels: Sequence[str]
    title: str = field(default="")

    def left(self, cell_size: int) -> int:
        """Where the first column of pictures begins, in px."""
        sizes = [[picture.size if picture else None for picture in row] for row in self.cells]
        return layout(sizes, Labels(self.row_labels, self.column_labels, self.title), cell_size).cells[0][0][0]

    def draw(self, cell_size: int) -> Image.Image:
        """The grid by itself."""
        return draw_grid(
            self.cells,
            row_labels=self.row_labels,
            column_labels=self.column_labels,
            title=self.title,
            cell_size=cell_size,
        )


def stack_grids(panels: Sequence[Panel], cell_size: int) -> Image.Image:
    """Draws the panels under each other with their first columns aligned; RGB on white."""
    lefts = [panel.left(cell_size) for panel in panels]
    pictures = [panel.draw(cell_size) for panel in panels]
    places = [max(lefts) - left for left in lefts]
    width = max(place + picture.width for place, picture in zip(places, pictures, strict=True))
    sheet = Image.new("RGB", (width, sum(picture.height for picture in pictures)), PAPER)
    top = 0
    for place, picture in zip(places, pictures, strict=True):
        sheet.paste(picture, (place, top))
        top += picture.height
    return sheet
