"""The words around a subject: articles, prefixes, how a style or a whole-picture look is called."""

from __future__ import annotations

PHOTO_PREFIXES = ("a photo of", "a photo of", "a photo of", "a picture of", "an image of", "a good photo of", "")
STYLE_PREFIXES: dict[str, tuple[str, ...]] = {
    "3d": ("a 3d render of", "a 3d model of", "a plastic figure of"),
    "flat": ("a flat icon of", "a flat design of"),
    "noto": ("a cartoon of", "a cartoon drawing of"),
    "noto1": ("a clip art of", "clip art of"),
    "tw": ("a vector drawing of", "a simple drawing of"),
    "eo": ("an illustration of", "a picture book illustration of"),
    "fx": ("a paper cutout of", "a sticker of"),
}
CLOSE_UPS = ("a close-up of", "a close up of")
RELATIONS = ("and", "next to", "to the right of", "to the left of")
SIZE_WORDS = ("tiny", "big")
UPSIDE_DOWN = "upside-down"


def article(noun: str) -> str:
    """``noun`` with "a" or "an" before it."""
    return ("an " if noun[0] in "aeiou" and not noun.startswith("uni") else "a ") + noun


def join(*parts: str) -> str:
    """The parts that are not empty, with single spaces."""
    return " ".join(part for part in parts if part)
