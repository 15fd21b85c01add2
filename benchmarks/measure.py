"""Runs a program once and says how long its steps took, how much memory it needed, and when its first step was done."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from benchmarks.stamps import Stamp, read_stamps

ROOT = Path(__file__).parents[1]
PATIENCE = 300.0  # seconds


@dataclass(frozen=True)
class Measured:
    """One run of one program: seconds and bytes."""

    step: float
    """Median over the steps after the warm-up, on the program's own clock."""
    step_overall: float
    """Wall clock from the last warm-up step to the last step, over their number."""
    step_processor: float
    """Median of processor seconds, all threads together."""
    peak_training: int
    """Largest resident memory until the last step was done."""
    peak: int
    """Largest resident memory of the whole run, as the operating system reports it when the program has ended."""
    first_step: float
    """From the start of the program until its first step was done."""


class FailedError(Exception):
    """The program ended with an error."""


def python(module: str, *arguments: object) -> list[str]:
    """A command that runs one of this folder's modules."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def run(command: Sequence[str], stamp_file: Path, environment: dict[str, str], warmup: int) -> Measured:
    """Runs ``command``, which stamps its steps.

    Raises:
        FailedError: it ended with an error, or made too few steps; holds its last words.
    """
    stamp_file.unlink(missing_ok=True)
    log = stamp_file.with_suffix(".log")
    started = time.monotonic()
    with log.open("wb") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, **environment}, cwd=ROOT)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    stamps = read_stamps(stamp_file)
    if process.returncode or len(stamps) < warmup + 2:
        raise FailedError(_last_words(log))
    return _measured(stamps, warmup, started, usage.ru_maxrss)


def _measured(stamps: Sequence[Stamp], warmup: int, started: float, peak: int) -> Measured:
    counted = stamps[warmup:]
    pairs = list(pairwise(counted))
    return Measured(
        step=median(after.wall - before.wall for before, after in pairs),
        step_overall=(counted[-1].wall - counted[0].wall) / len(pairs),
        step_processor=median(after.processor - before.processor for before, after in pairs),
        peak_training=stamps[-1].peak * 1024,
        peak=peak * 1024,
        first_step=stamps[0].wall - started,
    )


def first_step(command: Sequence[str], stamp_file: Path, environment: dict[str, str]) -> float:
    """Seconds from the start of ``command`` until it has made one step; it is stopped there.

    Raises:
        FailedError: it ended without a step.
    """
    stamp_file.unlink(missing_ok=True)
    log = stamp_file.with_suffix(".log")
    started = time.monotonic()
    with log.open("wb") as words:
        process = subprocess.Popen(command, stdout=words, stderr=words, env={**os.environ, **environment}, cwd=ROOT)
        try:
            while time.monotonic() - started < PATIENCE and process.poll() is None:
                stamps = read_stamps(stamp_file)
                if stamps:
                    return stamps[0].wall - started
                time.sleep(0.02)
        finally:
            process.kill()
            process.wait()
    raise FailedError(_last_words(log))


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def seconds(command: Sequence[str], repeats: int) -> float:
    """Median wall clock of a short command."""
    times = []
    for _ in range(repeats):
        started = time.monotonic()
        subprocess.run(command, check=True, capture_output=True, cwd=ROOT)
        times.append(time.monotonic() - started)
    return median(times)


def imports(module: str, arguments: Sequence[str], environment: dict[str, str]) -> Counter[str]:
    """Seconds spent on importing, by top-level package, while ``python -m module`` runs."""
    command = [sys.executable, "-X", "importtime", "-m", module, *arguments]
    done = subprocess.run(
        command, check=True, capture_output=True, text=True, env={**os.environ, **environment}, cwd=ROOT
    )
    spent: Counter[str] = Counter()
    for own, name in re.findall(r"^import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", done.stderr, re.MULTILINE):
        spent[name.partition(".")[0]] += int(own)
    return Counter({name: microseconds / 1e6 for name, microseconds in spent.items()})
