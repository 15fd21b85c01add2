"""Optimizers by name, learning-rate schedules as functions of the step."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from typing import Any, TypedDict

import torch
from torch import nn

from lorabooth.errors import InputError


class Group(TypedDict):
    """Parameters with their peak learning rate."""

    params: list[nn.Parameter]
    lr: float


def build_optimizer(
    name: str,
    groups: Sequence[Group],
    *,
    betas: tuple[float, float],
    weight_decay: float,
    epsilon: float,
) -> torch.optim.Optimizer:
    """An optimizer over the groups; warm-up is the affair of ``learning_rate_factor``.

    Raises:
        InputError: the package that brings it is missing or does not work here, or it can't take these rates.
    """
    if name == "prodigy" and len({group["lr"] for group in groups}) > 1:
        raise InputError(
            "Prodigy adapts one rate for all; optimizer.learning_rate and optimizer.text_encoder_learning_rate differ.",
            "Type optimizer.learning_rate=1 optimizer.text_encoder_learning_rate=1.",
        )
    common: dict[str, Any] = {"betas": betas, "weight_decay": weight_decay}
    if name == "adamw":
        return torch.optim.AdamW(groups, eps=epsilon, fused=True, **common)  # type: ignore[arg-type]
    if name == "adafactor":
        return torch.optim.Adafactor(groups, weight_decay=weight_decay)  # type: ignore[arg-type]
    module, kind, extra = {
        "adamw8bit": ("bitsandbytes.optim", "AdamW8bit", {"eps": epsilon}),
        "prodigy": (
            "prodigyopt",
            "Prodigy",
            {"eps": epsilon, "safeguard_warmup": True, "use_bias_correction": True, "decouple": True},
        ),
        "schedulefree": ("schedulefree", "AdamWScheduleFree", {"eps": epsilon}),
    }[name]
    try:
        loaded = __import__(module, fromlist=[kind])
    except (ImportError, RuntimeError, OSError) as error:
        package = {"adamw8bit": "bitsandbytes", "prodigy": "prodigyopt", "schedulefree": "schedulefree"}[name]
        raise InputError(
            f"optimizer.name={name} needs the package {package}, which does not load here: {error}.",
            f"Type pip install {package}, or optimizer.name=adamw.",
        ) from error
    with contextlib.redirect_stdout(None):  # Prodigy prints how it decays
        built: torch.optim.Optimizer = getattr(loaded, kind)([dict(g) for g in groups], **common, **extra)
    return built


def learning_rate_factor(
    schedule: str, *, steps: int, warmup_steps: int, cycles: float, power: float
) -> Callable[[int], float]:
    """The share of the peak rate at each step, by diffusers' ``get_scheduler``.

    Only its function of the step is used, so that no state has to be kept for resuming.
    """
    from diffusers.optimization import get_scheduler

    dummy = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    extra: dict[str, Any] = {}
    if schedule in ("cosine", "cosine_with_restarts"):
        extra["num_cycles"] = int(cycles) if schedule == "cosine_with_restarts" else cycles * 0.5
    if schedule == "polynomial":
        extra["power"] = power
    if schedule == "cosine":
        from diffusers.optimization import get_cosine_schedule_with_warmup

        return _lambda(get_cosine_schedule_with_warmup(dummy, warmup_steps, steps, **extra))
    return _lambda(get_scheduler(name, dummy, num_warmup_steps=warmup_steps, num_training_steps=steps, **extra))


def _lambda(scheduler: Any) -> Callable[[int], float]:
    factor: Callable[[int], float] = scheduler.lr_lambdas[0]
    return factor
