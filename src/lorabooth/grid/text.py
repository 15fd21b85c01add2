"""Text set into lines: wrapped at words, balanced, and shortened with an ellipsis only when nothing else helps."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from PIL import Image, ImageDraw, ImageFont

from lorabooth.grid.typeface import Typeface

Align = Literal["left", "center", "right"]

MAX_LINES = 4
SMALLEST_FONT = 10  # px
OVERHANG = 1  # px left and right, for letters such as j that reach out of their advance
LINE_HEIGHT = 1.28  # of the font size
SHRINK = (1.0, 0.92, 0.84, 0.76)  # font sizes tried, in this order, before a label is shortened


@dataclass(frozen=True)
class Block:
    """Lines of one font in ``width`` × ``height`` px; ``complete`` if no word was cut. No lines for an empty text."""

    lines: tuple[str, ...]
    font: ImageFont.FreeTypeFont
    width: int
    complete: bool = True

    @property
    def height(self) -> int:
        """Height of all lines in px."""
        return len(self.lines) * self._line_height

    @property
    def _line_height(self) -> int:
        return math.ceil(self.font.size * LINE_HEIGHT)

    def render(self, align: Align) -> Image.Image:
        """The ink as an "L" mask of width × height px."""
        mask = Image.new("L", (self.width, self.height))
        draw = ImageDraw.Draw(mask)
        places = {"left": ("ls", OVERHANG), "center": ("ms", self.width / 2), "right": ("rs", self.width - OVERHANG)}
        anchor, x = places[align]
        for number, line in enumerate(self.lines):
            baseline = number * self._line_height + round(self.font.size)
            draw.text((x, baseline), line, fill=255, font=self.font, anchor=anchor)
        return mask


def set_text(text: str, face: Typeface, size: int, width: int) -> Block:
    """One text in at most ``MAX_LINES`` lines of at most ``width`` px, set smaller where that keeps it whole."""
    return set_alike([(text, width)], face, size)[0]


def set_alike(texts: Sequence[tuple[str, int]], face: Typeface, size: int) -> list[Block]:
    """Texts, each with its width in px, all in one font size: the largest of those that keep most of them whole."""
    settings = []
    for factor in SHRINK:
        font = face.font(max(SMALLEST_FONT, round(size * factor)))
        settings.append([_wrapped(text, font, width) for text, width in texts])
        if all(block.complete for block in settings[-1]):
            break
    return max(settings, key=lambda blocks: sum(block.complete for block in blocks))


def _wrapped(text: str, font: ImageFont.FreeTypeFont, width: int) -> Block:
    if not text:
        return Block((), font, 0)
    width -= 2 * OVERHANG
    lines = list(islice(_lines(text, font, width), MAX_LINES + 1))
    words_fit = all(font.getlength(word) <= width for word in text.split())
    if len(lines) > MAX_LINES:
        lines = [*lines[: MAX_LINES - 1], _shortened(lines[MAX_LINES - 1], font, width)]
        words_fit = False
    elif words_fit and len(lines) > 1:
        lines = _balanced(text, font, width, len(lines))
    longest = min(width, math.ceil(max(map(font.getlength, lines))))
    return Block(tuple(lines), font, longest + 2 * OVERHANG, complete=words_fit)


def _lines(text: str, font: ImageFont.FreeTypeFont, width: int) -> Iterator[str]:
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split(" "):
            longer = f"{line} {word}" if line else word
            if font.getlength(longer) <= width:
                line = longer
                continue
            if line:
                yield line
            *full, line = _pieces(word, font, width)
            yield from full
        yield line


def _pieces(word: str, font: ImageFont.FreeTypeFont, width: int) -> Iterator[str]:
    """A word cut where it has to be, after punctuation such as / _ = where there is some."""
    while font.getlength(word) > width and len(word) > 1:
        most = max(1, bisect_right(range(1, len(word)), width, key=lambda n: math.ceil(font.getlength(word[:n]))))
        after_sign = max((n for n in range(most // 2 + 1, most + 1) if word[n - 1] in "/_=-.,:;|"), default=most)
        yield word[:after_sign]
        word = word[after_sign:]
    yield word


def _balanced(text: str, font: ImageFont.FreeTypeFont, width: int, count: int) -> list[str]:
    """The same number of lines, as even in length as the words allow."""
    longest_word = math.ceil(max(map(font.getlength, text.split())))
    widths = range(longest_word, width + 1)
    enough = bisect_left(widths, -count, key=lambda w: -len(list(_lines(text, font, w))))
    return list(_lines(text, font, widths[min(enough, len(widths) - 1)]))


def _shortened(line: str, font: ImageFont.FreeTypeFont, width: int) -> str:
    while line and font.getlength(f"{line}…") > width:
        line = line[:-1]
    return f"{line.rstrip(' .,')}…"
