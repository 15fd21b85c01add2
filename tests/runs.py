"""Whole trainings at tiny size: photos, configs, runs, and what to compare of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor

from lorabooth.api import resume_events, train_events
from lorabooth.config import TrainConfig, build
from lorabooth.training.events import Event, FinishedEvent, StepEvent
from lorabooth.training.folder import RunFolder

QUICK: dict[str, Any] = {
    "subject.class_noun": "dog",
    "prior.weight": 0,
    "prior.images": 2,
    "prior.steps": 2,
    "prior.batch_size": 2,
    "lora.rank": 2,
    "training.steps": 4,
    "optimizer.learning_rate": 1e-2,
    "optimizer.text_encoder_learning_rate": 1e-2,
    "sampling.enabled": False,
    "sampling.prompts": ["a photo of sks dog"],
    "sampling.steps": 2,
    "sampling.seeds": [0],
    "output.checkpoint_every": 2,
}


def make_photos(folder: Path, count: int = 3, size: tuple[int, int] = (56, 40)) -> Path:
    """Pictures of noise over a gradient, so that no two windows of them are equal."""
    folder.mkdir(parents=True)
    for number in range(count):
        random = np.random.default_rng(number)
        ramp = np.linspace(40, 200, size[0])[None, :, None]
        values = ramp + random.normal(0, 30, (size[1], size[0], 3))
        Image.fromarray(values.clip(0, 255).astype(np.uint8)).save(folder / f"photo{number}.png")
    return folder


def make_config(base: Path, photos: Path, output: Path, **options: Any) -> TrainConfig:
    """A quick run; ``options`` are written ``section__key``."""
    given = {name.replace("__", "."): value for name, value in options.items()}
    places = {"model.base": str(base), "subject.photos": str(photos), "output.folder": str(output)}
    return build({}, {**QUICK, **places, **given})


@dataclass(frozen=True)
class Trained:
    """A finished run and all its events."""

    folder: RunFolder
    events: list[Event]

    @property
    def lora(self) -> bytes:
        """The bytes of the result."""
        return self.folder.lora.read_bytes()

    @property
    def weights(self) -> dict[str, Tensor]:
        """The tensors of the result."""
        return dict(load_file(self.folder.lora))

    @property
    def steps(self) -> list[StepEvent]:
        """Only the steps."""
        return steps_of(self.events)


def steps_of(events: list[Event]) -> list[StepEvent]:
    """Only the steps among events."""
    return [event for event in events if isinstance(event, StepEvent)]


def _finished(events: Iterator[Event]) -> Trained:
    seen = list(events)
    last = seen[-1]
    assert isinstance(last, FinishedEvent)
    return Trained(RunFolder(last.lora.parent), seen)


def run(config: TrainConfig) -> Trained:
    """Trains to the end."""
    return _finished(train_events(config))


def resume(folder: Path, *overrides: str) -> Trained:
    """Goes on with a run to its end."""
    return _finished(resume_events(folder, overrides))


def crashed_at(trained: Trained, step: int, copy: Path) -> Path:
    """A copy of a finished run as a crash some time after checkpoint ``step`` would have left it."""
    shutil.copytree(trained.folder.path, copy)
    folder = RunFolder(copy)
    folder.lora.unlink()
    for checkpoint in folder.checkpoints.iterdir():
        if int(checkpoint.name.removeprefix("step-")) > step:
            shutil.rmtree(checkpoint)
    folder.record(
        folder.config().model_copy(update={"output": folder.config().output.model_copy(update={"folder": copy})})
    )
    return copy


def assert_same_weights(one: dict[str, Tensor], two: dict[str, Tensor]) -> None:
    """To the bit."""
    assert one.keys() == two.keys()
    different = [name for name in one if not one[name].equal(two[name])]
    assert not different, f"{len(different)} of {len(one)} tensors differ, first {different[0]}"


def command(*words: str) -> list[str]:
    """`lorabooth …` as a process of its own."""
    return [sys.executable, "-m", "lorabooth", *words]


def start(*words: str, **options: Any) -> subprocess.Popen[str]:
    """Starts a command with its output caught."""
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
