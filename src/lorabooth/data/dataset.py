"""Which photo, class image, prompt and crop stand at each position of the sample stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import torch
from PIL import Image

from lorabooth.data.photos import Augmentation, augmentation
from lorabooth.randomness import generator

Kind = Literal["instance", "class"]


@dataclass(frozen=True)
class Example:
    """A picture and its prompt; ``key`` is the digest of the file's bytes, ``read`` decodes it upright."""

    key: str
    prompt: str
    read: Callable[[], Image.Image]


@dataclass(frozen=True)
class Draw:
    """What stands at one position of the stream, with everything that was left to chance."""

    position: int
    kind: Kind
    example: Example
    augmentation: Augmentation


@lru_cache(maxsize=64)
def _order(seed: int, epoch: int, count: int, kind: Kind) -> list[int]:
    return torch.randperm(count, generator=generator(seed, epoch, f"order/{kind}")).tolist()


@dataclass(frozen=True)
class DreamBoothDataset:
    """Subject photos and class images as two endless shuffled streams, each a function of (seed, position)."""

    instances: Sequence[Example]
    classes: Sequence[Example]
    seed: int
    crop: Literal["center", "random"] = "center"
    flip: bool = False

    def draw(self, position: int, kind: Kind) -> Draw:
        """The draw at ``position``: every example once an epoch, in an order of the epoch's own."""
        examples = self.instances if kind == "instance" else self.classes
        epoch, place = divmod(position, len(examples))
        example = examples[_order(self.seed, epoch, len(examples), kind)[place]]
        if kind == "class":
            return Draw(position, kind, example, augmentation(self.seed, position, "center", False))
        return Draw(position, kind, example, augmentation(self.seed, position, self.crop, self.flip))

    def micro_batch(self, positions: Sequence[int]) -> list[Draw]:
        """Photos at the positions, then as many class images where there are any."""
        draws = [self.draw(p, "instance") for p in positions]
        return draws + ([self.draw(p, "class") for p in positions] if self.classes else [])


def positions_of(step: int, micro: int, rank: int, *, batch_size: int, accumulation: int, processes: int) -> range:
    """Positions of one process's micro-batch in a step.

    A step takes batch_size × accumulation × processes positions whatever way they are shared out, so that two
    processes see what one process with twice the batch sees.
    """
    per_step = batch_size * accumulation * processes
    start = step * per_step + (micro * processes + rank) * batch_size
    return range(start, start + batch_size)
