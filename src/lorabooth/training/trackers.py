"""TensorBoard always, other trackers by option, through Accelerate's trackers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lorabooth.config import TrainConfig
from lorabooth.errors import InputError
from lorabooth.training.events import StepEvent


class Trackers:
    """Passes each step's numbers to the trackers; only the main process does anything."""

    def __init__(self, run: Path, config: TrainConfig, step: int, *, active: bool) -> None:
        self.run, self.config, self.step, self.active = run, config, step, active
        self.open: list[Any] = []

    def __enter__(self) -> Trackers:
        """Opens the trackers.

        Raises:
            InputError: a tracker's package is missing.
        """
        if self.active:
            from torch.utils.tensorboard.writer import SummaryWriter

            self._board = SummaryWriter(str(self.run / "logs"), purge_step=self.step + 1)
            self.open = [self._tracker(name) for name in self.config.output.trackers]
        return self

    def _tracker(self, name: str) -> Any:
        from accelerate import tracking

        kind = {"wandb": "WandBTracker", "mlflow": "MLflowTracker", "trackio": "TrackioTracker"}[name]
        try:
            tracker = getattr(tracking, kind)("lorabooth")
            tracker.start()
            tracker.store_init_configuration(self.config.model_dump(mode="json"))
        except ImportError as error:
            raise InputError(
                f"output.trackers names {name}, which is not installed.", f"Type pip install {name}."
            ) from error
        return tracker

    def log(self, event: StepEvent) -> None:
        """Hands one step over."""
        if not self.active:
            return
        values = {
            "loss/total": event.loss,
            "loss/instance": event.instance_loss,
            "loss/prior": event.prior_loss,
            "learning_rate": event.learning_rate,
            "grad_norm": event.grad_norm,
        }
        for name, value in values.items():
            self._board.add_scalar(name, value, event.step)
        for tracker in self.open:
            tracker.log(values, step=event.step)

    def __exit__(self, *_: object) -> None:
        """Flushes and closes."""
        if self.active:
            self._board.close()
            for tracker in self.open:
                tracker.finish()
