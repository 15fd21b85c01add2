"""A grid on paper: pictures, labels, rules, and a hatched cell where a picture is missing."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from lorabooth.grid.layout import Box, Labels, Layout, PlacedText, Size, fitted, layout

PAPER = (255, 255, 255)
INK = (28, 28, 30)
QUIET = (99, 99, 104)
RULE = (190, 190, 196)
BORDER = (226, 226, 230)
MAT = (246, 246, 247)
QUIET_ROLES = {"subtitle", "row_title", "column_title"}
OVERSAMPLING = 4  # of the hatching, so that its slanted lines are smooth


def draw_grid(  # noqa: PLR0913 - every word on a grid is its own option
    cells: Sequence[Sequence[Image.Image | None]],
    *,
    row_labels: Sequence[str],
    column_labels: Sequence[str],
    title: str = "",
    subtitle: str = "",
    row_title: str = "",
    column_title: str = "",
    cell_size: int | None = None,
    groups: Sequence[tuple[str, int]] = (),
) -> Image.Image:
    """Draws pictures in rows and columns whose names stand on the picture.

    Args:
        cells: One list per row, all of one length; None where a picture is missing. Any mode and size: pictures up to
            ``cell_size`` are enlarged by an integer factor without smoothing, larger ones shrunk smoothly.
        row_labels: One name per row; "" for none.
        column_labels: One name per column; "" for none.
        title: First line, in larger type.
        subtitle: Second line, in grey.
        row_title: What the rows are, upright at the left edge.
        column_title: What the columns are, above their names; once per group.
        cell_size: Longest side of a cell in px; by default at most 256, less for many columns.
        groups: (header, number of columns) from left to right; they cover all columns.

    Returns:
        An RGB picture on white.

    Raises:
        ValueError: the grid is empty, or labels or groups don't match its rows and columns.
    """
    labels = Labels(row_labels, column_labels, title, subtitle, row_title, column_title, groups)
    plan = layout([[picture.size if picture else None for picture in row] for row in cells], labels, cell_size)
    page = Image.new("RGB", plan.size, PAPER)
    for pictures, boxes in zip(cells, plan.cells, strict=True):
        for picture, box in zip(pictures, boxes, strict=True):
            _draw_cell(page, picture, box, plan)
    for rule in plan.rules:
        page.paste(RULE, rule)
    for text in plan.texts:
        _draw_text(page, text)
    return page


def _draw_cell(page: Image.Image, picture: Image.Image | None, box: Box, plan: Layout) -> None:
    page.paste(BORDER, (box.left - 1, box.top - 1, box.right + 1, box.bottom + 1))
    if picture is None:
        page.paste(_missing(box.size, plan.em), box)
        return
    size = fitted(picture.size, plan.cell)
    page.paste(MAT, box)
    page.paste(_resized(_on_paper(picture), size), box.centered(size))


def _draw_text(page: Image.Image, text: PlacedText) -> None:
    mask = text.block.render(text.align)
    if text.upright:
        mask = mask.transpose(Image.Transpose.ROTATE_90)
    page.paste(QUIET if text.role in QUIET_ROLES else INK, text.box, mask)


def _on_paper(picture: Image.Image) -> Image.Image:
    """As RGB; transparent parts let the white paper through."""
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    paper = Image.new("RGBA", picture.size, PAPER)
    return Image.alpha_composite(paper, picture.convert("RGBA")).convert("RGB")


def _resized(picture: Image.Image, size: Size) -> Image.Image:
    crisp = size[0] >= picture.width and size[1] >= picture.height
    return picture.resize(size, Image.Resampling.NEAREST if crisp else Image.Resampling.LANCZOS)


def _missing(size: Size, em: int) -> Image.Image:
    """Light hatching with an en dash in the middle."""
    width, height = (side * OVERSAMPLING for side in size)
    large = Image.new("RGB", (width, height), MAT)
    draw = ImageDraw.Draw(large)
    for x in range(-height, width, em * OVERSAMPLING * 2 // 3):
        draw.line((x, height, x + height, 0), fill=BORDER, width=OVERSAMPLING)
    cell = large.resize(size, Image.Resampling.BOX)
    area = Box(0, 0, *size)
    cell.paste(MAT, area.centered((em * 2, em)))
    cell.paste(QUIET, area.centered((em * 2 // 3, max(2, em // 12))))
    return cell
