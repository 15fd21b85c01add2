"""Which font a grid is set in, and what stands for the characters that it lacks."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache

from PIL import ImageFont

# Pillow's own font (Aileron) is the same everywhere but has little more than ASCII. These are tried when a
# label needs more; Pillow looks for them in the font folders of the system.
INSTALLED = (
    "Arial.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSans-Regular.ttf",
    "DejaVuSans.ttf",
    "NotoSansCJK-Regular.ttc",
    "msyh.ttc",
    "Arial Unicode.ttf",
)

# These cost so little meaning that they alone don't change the font.
TYPOGRAPHIC = {
    "×": "x",
    "–": "-",
    "—": "-",
    "−": "-",
    "‐": "-",
    "‑": "-",
    "→": "->",
    "←": "<-",
    "≥": ">=",
    "≤": "<=",
    "•": "·",
    "′": "'",
    "″": '"',
}
LETTERS = {"ß": "ss", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ł": "l", "Ł": "L", "ı": "i"}
SKIN_TONES = range(0x1F3FB, 0x1F400)
NOT_A_CHARACTER = "\U0010ffff"


class Typeface:
    """One font at any size; ``name`` is a font file, or empty for the font inside Pillow."""

    def __init__(self, name: str = "") -> None:
        self.name = name
        self._probe = self.font(24)
        self._missing = self._glyph(NOT_A_CHARACTER)

    def font(self, size: int) -> ImageFont.FreeTypeFont:
        """The font at ``size`` px per em."""
        return _load(self.name, size)

    def covers(self, character: str) -> bool:
        """Whether the font has a glyph of its own for one character."""
        return character.isspace() or self._glyph(character) != self._missing

    def lacks(self, text: str) -> int:
        """How many different characters of ``text`` would lose their meaning in this font."""
        return sum(not self.covers(character) and character not in TYPOGRAPHIC for character in set(text))

    def readable(self, text: str) -> str:
        """``text`` with a stand-in for what the font lacks: x for ×, e for é, [dog face] for an emoji."""
        return "".join(c if self.covers(c) else self._stand_in(c) for c in text)

    def _stand_in(self, character: str) -> str:
        if character in TYPOGRAPHIC or character in LETTERS:
            return TYPOGRAPHIC.get(character) or LETTERS[character]
        plain = "".join(c for c in unicodedata.normalize("NFKD", character) if self.covers(c))
        if plain:
            return plain
        name = unicodedata.name(character, "").lower()
        if name.startswith("greek"):
            return name.split(" with ")[0].split()[-1].replace("lamda", "lambda")
        return f"[{name}]" if unicodedata.category(character) == "So" and name else character

    def _glyph(self, character: str) -> tuple[tuple[int, int], bytes]:
        mask = self._probe.getmask(character)
        return mask.size, bytes(mask)


def clean(text: str) -> str:
    """``text`` without invisible characters and double spaces; line breaks stay."""
    lines = unicodedata.normalize("NFC", text).splitlines()
    return "\n".join(" ".join("".join(map(_visible, line)).split()) for line in lines).strip()


def choose_typeface(texts: Iterable[str]) -> Typeface:
    """The font that shows most of all ``texts``: one for the whole grid, Pillow's own wherever it suffices."""
    text = "".join(texts)
    if not _pillows_own().lacks(text):
        return _pillows_own()
    return min((_pillows_own(), *_installed()), key=lambda face: face.lacks(text))


def _visible(character: str) -> str:
    category = unicodedata.category(character)
    if category == "Cf" or 0xFE00 <= ord(character) <= 0xFE0F or ord(character) in SKIN_TONES:
        return ""
    if category == "Cs":
        return "\ufffd"
    return " " if category[0] == "Z" or category == "Cc" else character


@cache
def _pillows_own() -> Typeface:
    return Typeface()


@cache
def _installed() -> tuple[Typeface, ...]:
    faces = []
    for name in INSTALLED:
        try:
            faces.append(Typeface(name))
        except OSError:
            continue
    return tuple(faces)


@cache
def _load(name: str, size: int) -> ImageFont.FreeTypeFont:
    if name:
        return ImageFont.truetype(name, size)
    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise TypeError("Pillow was built without FreeType, so a grid can't be labelled.")
    return font
