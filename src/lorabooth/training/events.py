"""What a run reports, as typed events; whoever consumes them needs nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class WarningEvent:
    """Something the user may want to know before training; the run goes on."""

    text: str


@dataclass(frozen=True)
class ClassImagesEvent:
    """Class images were drawn."""

    ready: int
    wanted: int


@dataclass(frozen=True)
class StartedEvent:
    """Everything is loaded and encoded; training goes from ``step`` to ``steps``."""

    run: Path
    step: int
    steps: int
    photos: int
    class_images: int
    parameters: int
    device: str
    precision: str


@dataclass(frozen=True)
class StepEvent:
    """One optimizer update was made; losses are means over the step's samples."""

    step: int
    loss: float
    instance_loss: float
    prior_loss: float
    learning_rate: float
    grad_norm: float


@dataclass(frozen=True)
class CheckpointEvent:
    """A checkpoint is complete on disk."""

    step: int
    folder: Path


@dataclass(frozen=True)
class SampleEvent:
    """Samples were drawn and joined into a labelled grid."""

    step: int
    grid: Path


@dataclass(frozen=True)
class FinishedEvent:
    """The run is over: the LoRA file is written; ``stopped`` when it was ended early by the user."""

    step: int
    lora: Path
    seconds: float
    stopped: bool


Event = WarningEvent | ClassImagesEvent | StartedEvent | StepEvent | CheckpointEvent | SampleEvent | FinishedEvent
