"""Where a subject can be: how each context is painted, what captions call it, how often it comes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from sprites.world.captions import article
from sprites.world.contexts import land, sky_and_water, surfaces, town
from sprites.world.contexts.backdrop import Backdrop, Ground, Painter
from sprites.world.draw import Array, Rng


class Context(NamedTuple):
    """One context of the world."""

    name: str
    paint: Painter
    phrases: tuple[str, ...]
    weight: float = 1.0
    overlay: Callable[[Array, Rng], None] | None = None  # drawn over the subject too


_CONTEXTS = [
    Context("beach", land.beach, ("on the beach", "at the beach", "on a sandy beach")),
    Context("snow", land.snow, ("in the snow", "on the snow", "in a snowy forest")),
    Context("jungle", land.jungle, ("in the jungle", "in a jungle")),
    Context("forest", land.forest, ("in the forest", "in a forest", "in the woods")),
    Context("sea", sky_and_water.sea, ("under the sea", "underwater", "under water")),
    Context("night", sky_and_water.night, ("at night", "at night under the stars", "under a starry sky")),
    Context(
        "mountain",
        land.mountain,
        ("with a mountain in the background", "in front of a mountain", "in the mountains"),
    ),
    Context("city", town.city, ("with a city in the background", "in front of a city skyline", "in the city")),
    Context("sunset", sky_and_water.sunset, ("at sunset", "in front of a sunset")),
    Context("wood", surfaces.wooden_floor, ("on a wooden floor", "on top of a wooden floor")),
    Context("grass", land.grass, ("on the grass", "on green grass", "on top of green grass")),
    Context("brick", surfaces.brick_wall, ("in front of a brick wall", "on a brick wall")),
    Context("checker", surfaces.checkered_floor, ("on a checkered floor", "on a tiled floor")),
    Context("desert", land.desert, ("in the desert", "in a desert")),
    Context(
        "eiffel",
        town.eiffel_tower,
        ("with the eiffel tower in the background", "in front of the eiffel tower", "in paris"),
    ),
    Context("cobble", surfaces.cobblestones, ("on a cobblestone street", "on cobblestones")),
    Context("wheat", land.wheat, ("with a wheat field in the background", "in a wheat field"), 0.8),
    Context(
        "autumn",
        land.autumn,
        ("with a tree and autumn leaves in the background", "in autumn", "on autumn leaves"),
        0.8,
    ),
    Context("house", town.blue_house, ("with a blue house in the background", "in front of a blue house"), 0.8),
    Context("water", sky_and_water.water, ("floating on top of water", "floating on water", "in the water"), 0.8),
    Context("milk", sky_and_water.milk, ("floating in an ocean of milk", "in milk"), 0.3),
    Context(
        "sunflowers",
        land.sunflowers,
        ("on top of green grass with sunflowers around it", "in a field of sunflowers", "with sunflowers"),
        0.7,
    ),
    Context("dirt", land.dirt_road, ("on top of a dirt road", "on a dirt road"), 0.7),
    Context("space", sky_and_water.space, ("in space", "in outer space")),
    Context("rain", sky_and_water.rain, ("in the rain",), 0.8, sky_and_water.rain_drops),
    Context("room", town.room, ("in a room", "in a room with a window", "in the house"), 0.8),
    Context("street", town.street, ("on a street", "on the road", "on the sidewalk in a street"), 0.8),
]
_RUGS = [
    Context(f"rug_{c}", partial(surfaces.rug, colour=c), (f"on top of a {c} rug", f"on a {c} rug"), 0.2)
    for c in surfaces.RUGS
]
_FABRICS = [
    Context(f"fab_{c}", partial(surfaces.fabric, colour=c), (f"on top of {c} fabric", f"on {c} fabric"), 0.2)
    for c in surfaces.FABRICS
]
_BACKGROUNDS = [
    Context(
        f"bg_{c}",
        partial(surfaces.background, colour=c),
        (f"on {article(c)} background", f"with {article(c)} background"),
        0.6,
    )
    for c in surfaces.BACKGROUNDS
]

CONTEXTS: dict[str, Context] = {c.name: c for c in [*_CONTEXTS, *_RUGS, *_FABRICS, *_BACKGROUNDS]}

__all__ = ["CONTEXTS", "Backdrop", "Context", "Ground"]
