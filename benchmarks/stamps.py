"""One line a finished training step, written by the measured process itself: clocks and peak memory."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True)
class Stamp:
    """The end of one step: ``time.monotonic``, ``time.process_time``, and the peak memory so far in KiB."""

    wall: float
    processor: float
    peak: int


class StampFile:
    """Written in the measured process, read by the one that measures it; both share the monotonic clock."""

    def __init__(self, path: Path) -> None:
        self._file: TextIO = path.open("w", encoding="ascii")

    def mark(self) -> None:
        """Notes that a step has just ended."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        self._file.write(f"{time.monotonic()} {time.process_time()} {peak}\n")
        self._file.flush()


def read_stamps(path: Path) -> list[Stamp]:
    """All marks, oldest first."""
    rows = [line.split() for line in path.read_text(encoding="ascii").splitlines()] if path.exists() else []
    return [Stamp(float(wall), float(processor), int(peak)) for wall, processor, peak in rows]
