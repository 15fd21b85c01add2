"""What a context hands to the scene."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import NamedTuple

from sprites.world.draw import Array, Rng


class Ground(Enum):
    """How a subject meets the context."""

    FLOOR = "stands, with a soft shadow under it"
    WALL = "hangs or lies flat, with a dropped shadow"
    LIQUID = "floats, its lower edge sunk"
    NONE = "hovers, without a shadow"


class Backdrop(NamedTuple):
    """A painted canvas [S, S, 3] and the height from which a subject may stand."""

    canvas: Array
    horizon: float
    ground: Ground = Ground.FLOOR


Painter = Callable[[Rng, int], Backdrop]
