"""What the judge learns from: look-alikes in shared contexts, and pictures in which nothing can be made out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sprites.art.store import Art
from sprites.judge_model import BLUR, SIDE, a_noun
from sprites.training.spoiling import pulled, spoil
from sprites.training.variants import vary
from sprites.world.contexts import CONTEXTS
from sprites.world.draw import Rng, pick
from sprites.world.figure import Figure
from sprites.world.plain import plain_scene
from sprites.world.settings import WorldSettings

SPAN = (0.5, 0.92)  # a little wider than the worlds'
PREFIXES = ("a photo of", "a picture of", "a drawing of", "")
VIEWS = 2
UNSTEADY = 0.06  # how far, in sides, a quarter of the drawings are pulled about, as if drawn by hand


@dataclass(frozen=True)
class Shape:
    """How a batch is made up: ``groups`` of one class × ``members`` × two views, then pictures with spoiled figures.

    ``crushed`` of the sharp pictures are shown a second time, corrupted as a whole.
    """

    groups: int = 8
    members: int = 4
    spoiled: int = 12
    crushed: int = 12

    @property
    def sharp(self) -> int:
        """Pictures that show something."""
        return self.groups * self.members * VIEWS

    @property
    def pictures(self) -> int:
        """All rendered pictures."""
        return self.sharp + self.spoiled


@dataclass(frozen=True)
class Batch:
    """``pixels`` uint8 [b, 64, 64, 3], the numbers of noun and context of each, and of the instance (-1: spoiled)."""

    pixels: NDArray[np.uint8]
    nouns: NDArray[np.int64]
    contexts: NDArray[np.int64]
    instances: NDArray[np.int64]


class JudgeData:
    """Draws batches from all drawings that no subject is made of; each is a function of the generator handed in.

    ``nouns`` begins with the classes of the world, ends with the blur; ``home`` is how many belong to the world.
    """

    def __init__(self, art: Art, settings: WorldSettings, shape: Shape, home_share: float = 0.75) -> None:
        self.art, self.settings, self.shape, self.home_share = art, settings, shape, home_share
        rows: dict[str, list[int]] = {noun: [] for noun in settings.classes}
        for index, sprite in enumerate(art.sprites):
            if not sprite.is_held and not sprite.is_accessory:
                rows.setdefault(sprite.class_noun, []).append(index)
        self.rows = list(rows.values())
        self.nouns = (*rows, BLUR)
        self.home = len(settings.classes)
        others = [name for name in CONTEXTS if name not in settings.contexts]
        self.contexts = [CONTEXTS[name] for name in (*settings.contexts, *others)]
        self._figures: dict[int, Figure] = {}

    @cached_property
    def blur(self) -> int:
        """The blur's number."""
        return len(self.nouns) - 1

    def draw(self, rng: Rng) -> Batch:
        """One batch: sharp pictures with the views of an instance side by side, then spoiled ones."""
        pixels, nouns, contexts = [], [], []
        for _ in range(self.shape.groups):
            noun = self.any_noun(rng)
            places = [self.any_context(rng) for _ in range(VIEWS)]
            for figure in self.look_alikes(rng, noun):
                for place in places:
                    shown = Figure(pulled(figure.pixels, rng, 4, UNSTEADY)) if rng.random() < 0.25 else figure
                    pixels.append(self.picture(rng, shown, place))
                    nouns.append(noun)
                    contexts.append(place)
        for _ in range(self.shape.spoiled):
            figure = Figure(spoil(self.art.pixels[pick(rng, self.rows[self.any_noun(rng)])], rng))
            contexts.append(self.any_context(rng))
            pixels.append(self.picture(rng, figure, contexts[-1]))
            nouns.append(self.blur)
        instances = np.repeat(np.arange(self.shape.sharp // VIEWS), VIEWS)
        instances = np.concatenate([instances, np.full(self.shape.spoiled, -1)])
        return Batch(np.stack(pixels), np.array(nouns), np.array(contexts), instances)

    def any_noun(self, rng: Rng) -> int:
        """Mostly a class of the world."""
        if rng.random() < self.home_share or len(self.rows) == self.home:
            return int(rng.integers(self.home))
        return int(rng.integers(self.home, len(self.rows)))

    def any_context(self, rng: Rng) -> int:
        """Mostly a context of the world."""
        known = len(self.settings.contexts)
        return int(rng.integers(known if rng.random() < self.home_share else len(self.contexts)))

    def look_alikes(self, rng: Rng, noun: int) -> list[Figure]:
        """Different members of one class: drawings as they are, and drawings changed in colour or look."""
        found: list[Figure] = []
        plain: set[int] = set()
        for _ in range(self.shape.members):
            row = pick(rng, self.rows[noun])
            if row not in plain and rng.random() < 0.6:
                plain.add(row)
                found.append(self.figure(row))
            else:
                found.append(Figure(vary(self.art.pixels[row], rng)))
        return found

    def figure(self, row: int) -> Figure:
        """A drawing as it is."""
        if row not in self._figures:
            self._figures[row] = Figure(self.art.pixels[row])
        return self._figures[row]

    def picture(self, rng: Rng, figure: Figure, context: int) -> NDArray[np.uint8]:
        """The figure in a context, posed by chance."""
        return plain_scene(rng, SIDE, figure, self.contexts[context], SPAN)

    def caption(self, rng: Rng, noun: int, context: int) -> str:
        """A caption of any wording."""
        words = (pick(rng, PREFIXES), a_noun(self.nouns[noun]), pick(rng, self.contexts[context].phrases))
        return " ".join(filter(None, words))

    def phrases(self, rng: Rng) -> Sequence[str]:
        """One phrase for every context."""
        return [pick(rng, context.phrases) for context in self.contexts]
