"""Where everything in a grid stands: pure arithmetic on sizes and texts, no picture is touched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from lorabooth.grid.text import Align, Block, set_alike, set_text
from lorabooth.grid.typeface import Typeface, choose_typeface, clean

Size = tuple[int, int]
Role = Literal["title", "subtitle", "row_title", "column_title", "group", "row", "column"]

LARGEST_CELL = 256  # px; small pictures are enlarged up to it, large ones shrunk to it
SMALLEST_DEFAULT_CELL = 128
COMFORTABLE_WIDTH = 2048  # px; many columns get smaller cells to stay near it


class Box(NamedTuple):
    """A rectangle in px: left and top inside, right and bottom just outside, as in Pillow."""

    left: int
    top: int
    right: int
    bottom: int

    @property
    def size(self) -> Size:
        """Width and height in px."""
        return self.right - self.left, self.bottom - self.top

    def centered(self, size: Size) -> Box:
        """A box of ``size`` in the middle of this one."""
        left = self.left + (self.right - self.left - size[0]) // 2
        top = self.top + (self.bottom - self.top - size[1]) // 2
        return Box(left, top, left + size[0], top + size[1])


@dataclass(frozen=True)
class Labels:
    """Every word on a grid; ``groups`` are (header, number of columns) from left to right."""

    rows: Sequence[str]
    columns: Sequence[str]
    title: str = ""
    subtitle: str = ""
    row_title: str = ""
    column_title: str = ""
    groups: Sequence[tuple[str, int]] = ()


@dataclass(frozen=True)
class PlacedText:
    """A text and the box that holds all of its ink; ``upright`` text reads from bottom to top."""

    role: Role
    block: Block
    box: Box
    align: Align = "left"
    upright: bool = False


@dataclass(frozen=True)
class Layout:
    """The picture's size and the boxes in it: ``cells[row][column]``, all of one size, at most ``cell`` px a side."""

    size: Size
    cell: int
    em: int
    cells: tuple[tuple[Box, ...], ...]
    texts: tuple[PlacedText, ...]
    rules: tuple[Box, ...]


def fitted(size: Size, cell: int) -> Size:
    """The size at which a picture is shown in a cell: an integer multiple, or shrunk to ``cell`` px if it is larger."""
    longest = max(size)
    if longest <= cell:
        factor = cell // longest
        return size[0] * factor, size[1] * factor
    return max(1, round(size[0] * cell / longest)), max(1, round(size[1] * cell / longest))


def layout(sizes: Sequence[Sequence[Size | None]], labels: Labels, cell_size: int | None = None) -> Layout:
    """Places pictures of ``sizes`` (None where one is missing) and all their labels.

    Raises:
        ValueError: the grid is empty, or labels or groups don't match its rows and columns.
    """
    _check(sizes, labels, cell_size)
    sheet = _Sheet.of(sizes, labels, cell_size)
    side = _Side.of(sheet)
    lefts = _column_lefts(sheet, side.left)
    right = lefts[-1] + sheet.column_width
    texts, top = _headings(sheet, right)
    heads, rules, top = _column_heads(sheet, lefts, top)
    cells = tuple(
        tuple(Box(x, y, x + sheet.column_width, y + side.row_height).centered(sheet.frame) for x in lefts)
        for y in (top + row * (side.row_height + sheet.gap) for row in range(len(sizes)))
    )
    texts = [*texts, *heads, *_row_heads(sheet, side, top)]
    bottom = top + side.height
    width = max(right, *(text.box.right for text in texts), 0)
    size = width + sheet.margin, bottom + sheet.margin
    return Layout(size, sheet.cell, sheet.em, cells, tuple(texts), tuple(rules))


@dataclass(frozen=True)
class _Sheet:
    """Measures that all parts share, in px; ``em`` is the font size of row and column labels."""

    labels: Labels
    face: Typeface
    em: int
    cell: int
    frame: Size

    @classmethod
    def of(cls, sizes: Sequence[Sequence[Size | None]], labels: Labels, cell_size: int | None) -> _Sheet:
        pictures = [size for row in sizes for size in row if size]
        cell = cell_size or _default_cell(pictures, columns=len(labels.columns))
        shown = [fitted(size, cell) for size in pictures] or [(cell, cell)]
        frame = max(width for width, _ in shown), max(height for _, height in shown)
        labels = _readable(labels, clean)
        face = choose_typeface(_all_texts(labels))
        em = min(40, max(13, round(max(frame) * 0.085)))
        return cls(_readable(labels, face.readable), face, em, cell, frame)

    @property
    def margin(self) -> int:
        return 2 * self.em

    @property
    def gap(self) -> int:
        return max(4, self.em // 3)

    @property
    def column_width(self) -> int:
        """Wide enough for the pictures, and for a short word where those are tiny."""
        return max(self.frame[0], 5 * self.em)

    @cached_property
    def names(self) -> tuple[list[Block], list[Block]]:
        """Labels of rows and of columns, all in one font size."""
        rows = [(text, 11 * self.em) for text in self.labels.rows]
        columns = [(text, self.column_width - self.em // 4) for text in self.labels.columns]
        blocks = set_alike([*rows, *columns], self.face, self.em)
        return blocks[: len(rows)], blocks[len(rows) :]


@dataclass(frozen=True)
class _Side:
    """What stands left of the pictures."""

    title: Block
    rows: list[Block]
    row_height: int
    left: int
    height: int

    @classmethod
    def of(cls, sheet: _Sheet) -> _Side:
        rows, _ = sheet.names
        row_height = max(sheet.frame[1], *(block.height for block in rows), 0)
        height = len(rows) * (row_height + sheet.gap) - sheet.gap
        title = set_text(sheet.labels.row_title, sheet.face, sheet.em, height)
        left = sheet.margin
        for width in (title.height, max(block.width for block in rows)):
            left += width + round(0.8 * sheet.em) if width else 0
        return cls(title, rows, row_height, left, height)


def _column_lefts(sheet: _Sheet, left: int) -> list[int]:
    starts, column = set(), 0
    for _, count in sheet.labels.groups:
        starts.add(column)
        column += count
    lefts = []
    for number in range(len(sheet.labels.columns)):
        left += sheet.em if number and number in starts else 0
        lefts.append(left)
        left += sheet.column_width + sheet.gap
    return lefts


def _headings(sheet: _Sheet, right: int) -> tuple[list[PlacedText], int]:
    """Title and subtitle at the left margin, and where the columns' part begins."""
    em, labels = sheet.em, sheet.labels
    width = max(right - sheet.margin, 24 * em)
    title = set_text(labels.title, sheet.face, round(1.4 * em), width)
    subtitle = set_text(labels.subtitle, sheet.face, em, width)
    parts: list[tuple[Role, Block]] = [("title", title), ("subtitle", subtitle)]
    texts, y = [], sheet.margin
    for role, block in parts:
        if block.lines:
            box = Box(sheet.margin, y, sheet.margin + block.width, y + block.height)
            texts.append(PlacedText(role, block, box))
            y = box.bottom + em // 4
    return texts, y + em if texts else y


def _column_heads(sheet: _Sheet, lefts: list[int], y: int) -> tuple[list[PlacedText], list[Box], int]:
    """Group headers over their rules, the column title once per group, column labels; and where the pictures begin."""
    em, width, labels = sheet.em, sheet.column_width, sheet.labels
    spans = _group_spans(sheet, lefts)
    headers = zip((name for name, _ in labels.groups or [("", 0)]), spans, strict=True)
    names = set_alike([(name, span.size[0]) for name, span in headers], sheet.face, em)
    groups, y = _centered("group", names, spans, y)
    rules: list[Box] = []
    if groups:
        y += em // 3
        thick = max(1, em // 16)
        rules = [Box(s.left, y, s.right, y + thick) for name, s in zip(names, spans, strict=True) if name.lines]
        y += thick + em // 2
    title = set_alike([(labels.column_title, span.size[0]) for span in spans], sheet.face, em)
    titles, y = _centered("column_title", title, spans, y)
    y += em // 2 if titles else 0
    columns, y = _centered("column", sheet.names[1], [Box(x, y, x + width, y) for x in lefts], y)
    return [*groups, *titles, *columns], rules, y + (em // 2 if columns else 0)


def _group_spans(sheet: _Sheet, lefts: list[int]) -> list[Box]:
    """From the left of a group's first column to the right of its last; all columns where there are no groups."""
    counts = [count for _, count in sheet.labels.groups] or [len(lefts)]
    spans, column = [], 0
    for count in counts:
        spans.append(Box(lefts[column], 0, lefts[column + count - 1] + sheet.column_width, 0))
        column += count
    return spans


def _centered(role: Role, blocks: list[Block], spans: list[Box], top: int) -> tuple[list[PlacedText], int]:
    """Blocks in the middle of their spans, standing on one line; and the y of that line."""
    bottom = top + max((block.height for block in blocks), default=0)
    placed = []
    for block, span in zip(blocks, spans, strict=True):
        if block.lines:
            box = Box(span.left, bottom - block.height, span.right, bottom).centered((block.width, block.height))
            placed.append(PlacedText(role, block, box, align="center"))
    return placed, bottom


def _row_heads(sheet: _Sheet, side: _Side, top: int) -> list[PlacedText]:
    """Row labels beside their cells, and the upright row title left of them."""
    texts = []
    if side.title.lines:
        turned = side.title.height, side.title.width
        box = Box(sheet.margin, top, sheet.margin + turned[0], top + side.height).centered(turned)
        texts.append(PlacedText("row_title", side.title, box, align="center", upright=True))
    right = side.left - round(0.8 * sheet.em)
    for number, block in enumerate(side.rows):
        if block.lines:
            y = top + number * (side.row_height + sheet.gap)
            box = Box(right - block.width, y, right, y + side.row_height).centered((block.width, block.height))
            texts.append(PlacedText("row", block, box, align="right"))
    return texts


def _default_cell(pictures: list[Size], columns: int) -> int:
    longest = max((max(size) for size in pictures), default=LARGEST_CELL)
    room = min(LARGEST_CELL, max(SMALLEST_DEFAULT_CELL, COMFORTABLE_WIDTH // columns))
    return max(fitted((longest, longest), room))


def _all_texts(labels: Labels) -> list[str]:
    titles = [labels.title, labels.subtitle, labels.row_title, labels.column_title]
    return [*labels.rows, *labels.columns, *titles, *(name for name, _ in labels.groups)]


def _readable(labels: Labels, change: Callable[[str], str]) -> Labels:
    return Labels(
        rows=[change(text) for text in labels.rows],
        columns=[change(text) for text in labels.columns],
        title=change(labels.title),
        subtitle=change(labels.subtitle),
        row_title=change(labels.row_title),
        column_title=change(labels.column_title),
        groups=[(change(name), count) for name, count in labels.groups],
    )


def _check(sizes: Sequence[Sequence[Size | None]], labels: Labels, cell_size: int | None) -> None:
    rows, columns = len(labels.rows), len(labels.columns)
    if not rows or not columns:
        raise ValueError(f"A grid needs at least one row and one column, not {rows} × {columns} labels.")
    if len(sizes) != rows or any(len(row) != columns for row in sizes):
        raise ValueError(f"Rows of {[len(row) for row in sizes]} cells don't match labels for {rows} × {columns}.")
    counts = [count for _, count in labels.groups]
    if counts and (min(counts) < 1 or sum(counts) != columns):
        raise ValueError(f"The groups hold {counts} columns; they have to add up to {columns}, each at least 1.")
    if cell_size is not None and cell_size < 1:
        raise ValueError(f"cell_size has to be at least 1 px, not {cell_size}.")
