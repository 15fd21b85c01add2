"""The world itself."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sprites.art.store import Art, Sprite
from sprites.errors import RecipeError
from sprites.world.captions import article, join
from sprites.world.contexts import CONTEXTS, Context
from sprites.world.draw import Rng, pick
from sprites.world.figure import Figure
from sprites.world.plain import plain_scene, rich_prefix
from sprites.world.record import Picture, Record
from sprites.world.rich import Cast, Member, rich_scene
from sprites.world.settings import WorldSettings


class World:
    """Pictures with captions, each a function of (settings, seed, index) alone."""

    def __init__(self, art: Art, settings: WorldSettings) -> None:
        self.art, self.settings = art, settings
        self.contexts = [CONTEXTS[name] for name in settings.contexts]
        weights = np.array([context.weight for context in self.contexts])
        self._cumulative = np.cumsum(weights / weights.sum())
        self.cast = cast_of(art, settings)

    def render(self, seed: int, index: int, size: int = 64) -> Picture:
        """Picture ``index`` of the endless row that belongs to ``seed``."""
        rng = np.random.default_rng([seed, index])
        if self.settings.plain:
            return self._render_plain(rng, size)
        context = self.contexts[int(np.searchsorted(self._cumulative, rng.random()))]
        return rich_scene(rng, size, self.cast, context, self.settings.span)

    def _render_plain(self, rng: Rng, size: int) -> Picture:
        class_noun, style = pick(rng, self.settings.classes), pick(rng, self.settings.styles)
        members, style = self._in_style(class_noun, style)
        context = pick(rng, self.contexts)
        pixels = plain_scene(rng, size, pick(rng, members).figure, context, self.settings.span)
        rich_prefix(rng, style)  # unused like those in plain_scene
        rng.random()
        caption = self._plain_caption(rng, class_noun, style, context)
        return Picture(pixels, Record(caption, class_noun, style, context.name))

    def _in_style(self, class_noun: str, style: str) -> tuple[Sequence[Member], str]:
        """The class in the wanted style, or in 3d or the first other one where nobody drew it so."""
        for candidate in dict.fromkeys((style, "3d", *self.settings.styles)):
            found = [m for m in self.cast.members[class_noun] if m.sprite.style == candidate]
            if found:
                return found, candidate
        raise RecipeError(f"no {class_noun} in any of the styles {', '.join(self.settings.styles)}")

    def _plain_caption(self, rng: Rng, class_noun: str, style: str, context: Context) -> str:
        prefix = pick(rng, self.settings.prefixes[style])
        return join(prefix, article(class_noun), pick(rng, context.phrases))


def figure_of(art: Art, index: int) -> Figure:
    """The figure of sprite ``index``."""
    sprite = art.sprites[index]
    return Figure(art.pixels[index], is_face=sprite.is_face)


def cast_of(art: Art, settings: WorldSettings) -> Cast:
    """Everybody whom a world may show: its classes without the held-out sprites, and all accessories."""
    members: dict[str, list[Member]] = {class_noun: [] for class_noun in settings.classes}
    worn: dict[str, dict[str, Figure]] = {}
    for index, sprite in enumerate(art.sprites):
        if sprite.is_accessory:
            worn.setdefault(sprite.class_noun, {})[sprite.style] = figure_of(art, index)
        elif is_shown(sprite, settings):
            members[sprite.class_noun].append(Member(sprite, figure_of(art, index)))
    absent = [class_noun for class_noun, found in members.items() if not found]
    if absent:
        raise RecipeError(f"the art has no {', '.join(absent)}: make it again with `python -m sprites art`")
    return Cast(members, worn)


def is_shown(sprite: Sprite, settings: WorldSettings) -> bool:
    """Whether a world with these settings draws this very sprite."""
    return (
        sprite.class_noun in settings.classes
        and sprite.style in settings.styles
        and not sprite.is_held
        and not sprite.is_accessory
    )
