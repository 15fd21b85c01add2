"""Muon for matrices and AdamW for the rest, on fp32 master weights behind a working copy of lower precision."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn


def orthogonalize(gradient: Tensor, dtype: torch.dtype, steps: int = 5) -> Tensor:
    """Pushes the singular values of a matrix [m, n] towards 1 (Newton–Schulz, Jordan et al. 2024, "Muon").

    ``torch.optim.Muon`` does the same in bf16 only, which stands still on a CPU without bf16 hardware.
    """
    x = gradient.to(dtype)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.float().norm() + 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
    out: Tensor = x.T if tall else x
    return out.float()


def takes_muon(parameter: Tensor) -> bool:
    """Whether a parameter is a matrix (or a flattened kernel) wide enough for orthogonalisation."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= 32


class MasterOptimizer:
    """Trains fp32 master weights of ``model``, which itself runs in ``dtype``; keeps an average of them.

    ``step(lr)`` consumes the gradients of the working copy. Muon's update is scaled to AdamW's root mean square
    (0.2 · sqrt(max(m, n))), so that one learning rate fits both. ``average`` is an exponential moving average.
    """

    def __init__(
        self,
        model: nn.Module,
        dtype: torch.dtype,
        *,
        weight_decay: float = 0.02,
        average: float = 0.999,
        clip: float = 1.0,
        muon: bool = True,
    ) -> None:
        self.master: nn.Module = copy.deepcopy(model).float().requires_grad_(False)
        self.averaged: Any = copy.deepcopy(self.master)
        self.working: Any = model.to(dtype)
        self.dtype, self.weight_decay, self.average, self.clip, self.muon = dtype, weight_decay, average, clip, muon
        self.steps = 0
        self.first = [torch.zeros_like(p) for p in self.master.parameters()]
        self.second = [torch.zeros_like(p) for p in self.master.parameters()]

    @torch.no_grad()
    def step(self, lr: float) -> float:
        """One update at rate ``lr``; returns the gradient norm before clipping."""
        self.steps += 1
        gradients = [None if p.grad is None else p.grad.float() for p in self.working.parameters()]
        norm = torch.stack([g.square().sum() for g in gradients if g is not None]).sum().sqrt().item()
        shrink = min(1.0, self.clip / (norm + 1e-6))
        blend = 1 - min(self.average, (1 + self.steps) / (10 + self.steps))
        pairs = zip(self.working.parameters(), self.master.parameters(), self.averaged.parameters(), strict=True)
        for (working, master, averaged), g, m, v in zip(pairs, gradients, self.first, self.second, strict=True):
            if g is None:
                continue
            self._move(master, g.mul_(shrink), m, v, lr)
            working.copy_(master)
            averaged.lerp_(master, blend)
            working.grad = None
        return norm

    def _move(self, weight: Tensor, g: Tensor, m: Tensor, v: Tensor, lr: float) -> None:
        if self.muon and takes_muon(weight):
            m.mul_(0.95).add_(g)
            update = orthogonalize((g + 0.95 * m).flatten(1), self.dtype)
            weight.mul_(1 - lr * self.weight_decay)
            weight.add_(update.view_as(weight), alpha=-lr * 0.2 * max(update.shape) ** 0.5)
            return
        m.lerp_(g, 0.1)
        v.lerp_(g.square(), 0.01)
        weight.add_((m / (1 - 0.9**self.steps)) / ((v / (1 - 0.99**self.steps)).sqrt() + 1e-8), alpha=-lr)

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, as tensors and numbers."""
        return {
            "master": self.master.state_dict(),
            "averaged": self.averaged.state_dict(),
            "first": self.first,
            "second": self.second,
            "steps": self.steps,
        }

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Goes on from ``state()``; the working copy is rebuilt from the master weights."""
        self.master.load_state_dict(state["master"])
        self.averaged.load_state_dict(state["averaged"])
        for mine, saved in ((self.first, state["first"]), (self.second, state["second"])):
            for a, b in zip(mine, saved, strict=True):
                a.copy_(b)
        self.steps = state["steps"]
        for working, master in zip(self.working.parameters(), self.master.parameters(), strict=True):
            working.copy_(master)
