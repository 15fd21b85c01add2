"""The run folder: everything a run leaves behind, and all that other commands need to know of it."""

from __future__ import annotations

import itertools
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lorabooth.config import TrainConfig, dump, load
from lorabooth.errors import InputError
from lorabooth.files import disk_fault, write_text
from lorabooth.training.checkpoint import LORA, checkpoint_steps
from lorabooth.training.events import Event


@dataclass(frozen=True)
class RunFolder:
    """`config.yaml`, `events.jsonl`, `checkpoints/`, `samples/`, `logs/`, `lora.safetensors`."""

    path: Path

    @property
    def config_file(self) -> Path:
        """The whole config of the run."""
        return self.path / "config.yaml"

    @property
    def checkpoints(self) -> Path:
        """One folder a checkpoint."""
        return self.path / "checkpoints"

    @property
    def samples(self) -> Path:
        """Grids drawn during training."""
        return self.path / "samples"

    @property
    def lora(self) -> Path:
        """The result."""
        return self.path / LORA

    @property
    def events_file(self) -> Path:
        """One JSON object an event."""
        return self.path / "events.jsonl"

    def config(self) -> TrainConfig:
        """The config the run was started with.

        Raises:
            InputError: this is no run folder.
        """
        if not self.config_file.exists():
            raise InputError(
                f"{self.path} is no run folder: it holds no config.yaml.", "Runs are written by lorabooth train."
            )
        return load(self.config_file)

    def append(self, event: Event) -> None:
        """Adds one event to `events.jsonl`."""
        record = {"event": type(event).__name__.removesuffix("Event").lower(), **_plain(asdict(event), self.path)}
        try:
            with self.events_file.open("a", encoding="utf-8") as file:
                file.write(json.dumps(record) + "\n")
        except OSError as error:
            raise disk_fault(self.events_file, error) from error

    def events(self) -> list[dict[str, Any]]:
        """All events as plain records; a half-written last line is left out."""
        records = []
        if self.events_file.exists():
            for line in self.events_file.read_text(encoding="utf-8").splitlines():
                try:
                    records.append(json.loads(line))
                except ValueError:
                    continue
        return records

    def forget_after(self, step: int) -> None:
        """Drops events of steps that will be made again."""
        kept = [r for r in self.events() if r.get("step", 0) <= step and r["event"] != "finished"]
        write_text(self.events_file, "".join(json.dumps(r) + "\n" for r in kept))

    def record(self, config: TrainConfig) -> None:
        """Keeps the config of the run."""
        write_text(self.config_file, dump(config))

    def discard_unused(self) -> None:
        """Takes away a folder in which no run got under way."""
        if [path.name for path in self.path.iterdir()] == [self.config_file.name]:
            self.config_file.unlink()
            self.path.rmdir()

    def newest_checkpoint(self) -> Path | None:
        """The last complete checkpoint."""
        found = list(checkpoint_steps(self.checkpoints).values())
        return found[-1] if found else None


def _plain(record: dict[str, Any], root: Path) -> dict[str, Any]:
    def one(value: Any) -> Any:
        if isinstance(value, Path):
            return str(value.relative_to(root)) if value.is_relative_to(root) else str(value)
        return value

    return {key: one(value) for key, value in record.items()}


def new_run(config: TrainConfig) -> RunFolder:
    """Makes the run's folder: the one asked for, or the next free `runs/NOUN-N`.

    Raises:
        InputError: the folder asked for already holds something.
        MachineError: it can't be made.
    """
    folder = config.output.folder or _next_folder(config.subject.class_noun)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} already exists and is not empty.",
            f"Type lorabooth train --resume {folder} to go on with it, or choose another output.folder.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_fault(folder, error) from error
    run = RunFolder(folder)
    run.record(config)
    return run


def _next_folder(class_noun: str) -> Path:
    stem = class_noun.replace(" ", "-").replace("/", "-")
    numbers = itertools.count(1)
    return next(folder for n in numbers if not (folder := Path("runs") / f"{stem}-{n}").exists())


FIXED = ("model", "subject", "prior", "lora", "objective", "optimizer", "training", "ema")


def resumed_config(run: RunFolder, overrides: list[str]) -> TrainConfig:
    """The run's config with overrides; only what does not change the steps already made may change.

    Raises:
        InputError: an override would make the run another run.
    """
    old = run.config()
    new = load(run.config_file, overrides)
    for section in FIXED:
        before, after = getattr(old, section).model_dump(), getattr(new, section).model_dump()
        changed = [k for k in before if before[k] != after[k] and f"{section}.{k}" != "training.steps"]
        if changed:
            raise InputError(
                f"{run.path} was started with {section}.{changed[0]}={before[changed[0]]}; resuming can't change it.",
                "Leave it out, or start a new run. training.steps, sampling.* and output.* may change.",
            )
    if new.training.steps != old.training.steps and old.optimizer.schedule != "constant":
        raise InputError(
            f"The {old.optimizer.schedule} schedule of {run.path} ends at step {old.training.steps}.",
            "Another length would change the steps already made; only constant schedules can be made longer.",
        )
    return new
