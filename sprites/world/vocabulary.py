"""Every word that captions use."""

from __future__ import annotations

from collections.abc import Iterator

from sprites.world import accessories, looks
from sprites.world.captions import CLOSE_UPS, RELATIONS, SIZE_WORDS, STYLE_PREFIXES, UPSIDE_DOWN
from sprites.world.contexts import CONTEXTS
from sprites.world.settings import WorldSettings


def vocabulary(settings: WorldSettings) -> tuple[str, ...]:
    """All words that the captions of a world can be made of, sorted."""
    return tuple(sorted({word for text in _texts(settings) for word in text.split()}))


def _texts(settings: WorldSettings) -> Iterator[str]:
    yield from ("a", "an")
    yield from settings.classes
    for name in settings.contexts:
        yield from CONTEXTS[name].phrases
    for style in settings.styles:
        yield from settings.prefixes[style]
    if not settings.plain:
        yield from _rich_texts(settings)


def _rich_texts(settings: WorldSettings) -> Iterator[str]:
    for style in settings.styles:
        yield from STYLE_PREFIXES[style]
    for _, _, names in looks.WHOLE_PICTURE:
        yield from names
    yield from (*CLOSE_UPS, *SIZE_WORDS, UPSIDE_DOWN, *RELATIONS, *looks.COLOURS, *looks.PATTERNS)
    yield from accessories.phrases()
