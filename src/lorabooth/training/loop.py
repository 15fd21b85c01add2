"""The loop: batch → latents → noise → prediction → loss → update, as an iterator of steps. Writes no file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lorabooth.data.cache import Encoder
from lorabooth.data.dataset import Draw, DreamBoothDataset, positions_of
from lorabooth.errors import MachineError
from lorabooth.families import Family
from lorabooth.lora.adapter import Adapter
from lorabooth.objectives import Losses, Noised, dreambooth_loss, offset_noise
from lorabooth.randomness import derived_seed, generator
from lorabooth.training.engine import Engine
from lorabooth.training.events import StepEvent


@dataclass(frozen=True)
class LoopSettings:
    """The plain numbers that the loop needs."""

    steps: int
    batch_size: int
    accumulation: int
    seed: int
    prior_weight: float
    noise_offset: float
    max_grad_norm: float


@dataclass
class Trainer:
    """Everything that changes while training; ``state`` and ``load`` make resuming exact."""

    family: Family
    adapter: Adapter
    encoder: Encoder
    dataset: DreamBoothDataset
    optimizer: torch.optim.Optimizer
    rates: Sequence[float]
    factor: Callable[[int], float]
    engine: Engine
    settings: LoopSettings
    average: Any = None  # diffusers' EMAModel
    step: int = 0

    @property
    def parameters(self) -> list[nn.Parameter]:
        """All trained parameters, in the order of the optimizer's groups."""
        return [p for group in self.optimizer.param_groups for p in group["params"]]

    def state(self) -> dict[str, Any]:
        """All that resuming needs beside the config: tensors and numbers only."""
        return {
            "step": self.step,
            "adapter": self.adapter.state(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state_dict() if self.average else None,
            "scaler": self.engine.scaler.state_dict(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Goes on exactly where ``state`` was taken."""
        self.adapter.load(state["adapter"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average:
            self.average.load_state_dict(state["average"])
            self.average.to(self.engine.device)
        if state["scaler"]:
            self.engine.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]


def train(trainer: Trainer) -> Iterator[StepEvent]:
    """Runs from ``trainer.step`` to the last step; at each yield the trainer's state is consistent."""
    s, engine = trainer.settings, trainer.engine
    while trainer.step < s.steps:
        factor = trainer.factor(trainer.step)
        for group, rate in zip(trainer.optimizer.param_groups, trainer.rates, strict=True):
            group["lr"] = rate * factor
        losses = [_micro_batch(trainer, micro) for micro in range(s.accumulation)]
        engine.average_gradients(trainer.parameters)
        norm = _update(trainer)
        trainer.step += 1
        total, instance, prior = engine.mean(torch.stack([torch.stack(loss) for loss in losses]).mean(0)).tolist()
        if not total < float("inf"):
            raise MachineError(
                f"The loss became {total} at step {trainer.step}.",
                "Try a lower optimizer.learning_rate or training.precision=fp32.",
            )
        yield StepEvent(trainer.step, total, instance, prior, trainer.optimizer.param_groups[0]["lr"], norm)


def _micro_batch(trainer: Trainer, micro: int) -> Losses:
    s, engine, family = trainer.settings, trainer.engine, trainer.family
    positions = positions_of(
        trainer.step,
        micro,
        engine.rank,
        batch_size=s.batch_size,
        accumulation=s.accumulation,
        processes=engine.processes,
    )
    draws = trainer.dataset.micro_batch(positions)
    torch.manual_seed(derived_seed(s.seed, positions.start, "dropout"))
    latents = trainer.encoder.latents(draws)  # latents
    noised = noise_batch(family, latents, draws, s.seed, s.noise_offset)  # noisy, timesteps, target
    with engine.autocast():
        text = trainer.encoder.text(draws)  # text embeddings
        predicted = family.predict(noised.noisy, noised.timesteps, text)  # prediction
    is_class = torch.tensor([d.kind == "class" for d in draws], device=latents.device)
    losses = dreambooth_loss(predicted, noised, is_class, s.prior_weight)  # loss
    engine.backward(losses.total / s.accumulation)
    return Losses(*(value.detach() for value in losses))


def noise_batch(family: Family, latents: Tensor, draws: Sequence[Draw], seed: int, offset: float) -> Noised:
    """Timesteps and noise of each draw from (seed, its position, its kind), then the forward process."""
    shape = latents.shape[1:]

    def per_draw(purpose: str, make: Callable[[torch.Generator], Tensor]) -> Tensor:
        made = [make(generator(seed, d.position, f"{purpose}/{d.kind}")) for d in draws]
        return torch.stack(made).to(latents.device)

    uniform = per_draw("timestep", lambda g: torch.rand((), generator=g))
    noise = per_draw("noise", lambda g: torch.randn(shape, generator=g))
    constant = per_draw("offset", lambda g: torch.randn(shape[0], 1, 1, generator=g)) if offset else noise
    return family.objective.noise(latents, offset_noise(noise, constant, offset), family.objective.timesteps(uniform))


def _update(trainer: Trainer) -> float:
    """Unscales, clips, steps, averages; returns the gradient norm before clipping."""
    scaler, parameters = trainer.engine.scaler, trainer.parameters
    scaler.unscale_(trainer.optimizer)
    limit = trainer.settings.max_grad_norm or float("inf")
    norm = float(torch.nn.utils.clip_grad_norm_(parameters, limit))
    scaler.step(trainer.optimizer)
    scaler.update()
    trainer.optimizer.zero_grad(set_to_none=True)
    if trainer.average:
        trainer.average.step(parameters)
    return norm
