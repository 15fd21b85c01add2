"""Runs a lorabooth command as it is, in this process, and stamps each step: `run_ours.py STAMPS train …`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.stamps import StampFile
from lorabooth import cli

if TYPE_CHECKING:
    from lorabooth.training.events import Event


def stamped(events: Iterator[Event], stamps: StampFile) -> Iterator[Event]:
    """Passes the run's events on."""
    for event in events:
        if type(event).__name__ == "StepEvent":  # by name, so that nothing is imported before the command asks for it
            stamps.mark()
        yield event


def main() -> int:
    """Hands the rest of the command line to lorabooth."""
    stamp_file, *rest = sys.argv[1:]
    stamps, show = StampFile(Path(stamp_file)), cli.show
    cli.show = lambda events: show(stamped(events, stamps))
    return cli.main(rest)


if __name__ == "__main__":
    sys.exit(main())
