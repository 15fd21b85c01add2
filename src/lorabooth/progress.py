"""A run on the terminal: one live line with loss, rate, speed, time left and memory."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lorabooth.errors import InputError
from lorabooth.training.events import (
    CheckpointEvent,
    ClassImagesEvent,
    Event,
    FinishedEvent,
    SampleEvent,
    StartedEvent,
    StepEvent,
    WarningEvent,
)


class Terminal:
    """Shows each event; ``finished`` holds the last."""

    def __init__(self, console: Console, progress: Progress) -> None:
        self.console, self.progress = console, progress
        self.task: TaskID | None = None
        self.finished: FinishedEvent | None = None
        self.smoothed, self.last = 0.0, time.monotonic()

    def show(self, event: Event) -> None:
        """One event."""
        if isinstance(event, WarningEvent):
            self.console.print(f"note       {event.text}", highlight=False, soft_wrap=True)
        elif isinstance(event, ClassImagesEvent):
            self._class_images(event)
        elif isinstance(event, StartedEvent):
            self._started(event)
        elif isinstance(event, StepEvent):
            self._step(event)
        elif isinstance(event, CheckpointEvent):
            self.console.print(f"checkpoint {event.folder}", highlight=False)
        elif isinstance(event, SampleEvent):
            self.console.print(f"samples    {event.grid}", highlight=False)
        else:
            self.finished = event

    def _class_images(self, event: ClassImagesEvent) -> None:
        if self.task is None:
            self.task = self.progress.add_task("class images", total=event.wanted, numbers="")
        self.progress.update(self.task, completed=event.ready)

    def _started(self, event: StartedEvent) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.console.print(
            f"run        {event.run}\n{event.photos} photos, {event.class_images} class images, "
            f"{event.parameters:,} trained parameters, {event.precision} on {event.device}",
            highlight=False,
        )
        self.task = self.progress.add_task("training", total=event.steps, completed=event.step, numbers="")
        self.last = time.monotonic()

    def _step(self, event: StepEvent) -> None:
        from lorabooth.training.run import peak_memory

        assert self.task is not None
        now = time.monotonic()
        self.smoothed = event.loss if not self.smoothed else 0.95 * self.smoothed + 0.05 * event.loss
        seconds, self.last = now - self.last, now
        speed, memory = f"{seconds:.2f} s/step", f"{peak_memory() / 2**30:.1f} GiB"
        numbers = f"loss {self.smoothed:.3f}  lr {event.learning_rate:.1e}  {speed}  {memory}"
        self.progress.update(self.task, completed=event.step, numbers=numbers)


def follow(events: Iterator[Event]) -> FinishedEvent:
    """Shows a whole run and says at its end what it left and what to type next."""
    console = Console(file=sys.stdout, quiet=os.environ.get("RANK", "0") != "0")
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[numbers]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=4) as progress:
        terminal = Terminal(console, progress)
        for event in events:
            terminal.show(event)
    finished = terminal.finished
    if finished is None:
        raise InputError("The run ended without a result.")
    run = finished.lora.parent
    if finished.stopped:
        console.print(
            f"Stopped at step {finished.step}; nothing is lost. Go on with: lorabooth train --resume {run}",
            highlight=False,
            soft_wrap=True,
        )
    else:
        console.print(
            f"LoRA       {finished.lora}  ({finished.step} steps, {finished.seconds:.0f} s)",
            highlight=False,
            soft_wrap=True,
        )
    return finished
