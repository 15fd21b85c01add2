"""What a world makes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Record(NamedTuple):
    """What one picture shows."""

    caption: str
    class_noun: str
    style: str
    context: str


class Picture(NamedTuple):
    """``pixels``, uint8 [S, S, 3], and what they show."""

    pixels: NDArray[np.uint8]
    record: Record
