"""Runs a lorabooth command as it is, in this process, and stamps each step: `-m benchmarks.run_ours STAMPS train …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.stamps import StampFile
from lorabooth import cli, progress
from lorabooth.training.events import Event, FinishedEvent, StepEvent


def stamped(events: Iterator[Event], stamps: StampFile) -> Iterator[Event]:
    """Passes the run's events on."""
    for event in events:
        if isinstance(event, StepEvent):
            stamps.mark()
        yield event


def main() -> int:
    """Hands the rest of the command line to lorabooth, and listens where it shows a run on the terminal."""
    stamp_file, *rest = sys.argv[1:]
    stamps, follow = StampFile(Path(stamp_file)), progress.follow

    def follow_stamped(events: Iterator[Event]) -> FinishedEvent:
        return follow(stamped(events, stamps))

    progress.follow = follow_stamped
    return cli.main(rest)


if __name__ == "__main__":
    sys.exit(main())
