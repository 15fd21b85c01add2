"""One resumable training run: learning-rate schedule by pictures seen, atomic checkpoints, a log, a time budget."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sprites.training.optimizer import MasterOptimizer


@dataclass(frozen=True)
class Plan:
    """How long and how fast: ``total`` pictures in batches, peak rate ``lr``, the call's budget in ``minutes``.

    The rate rises over ``warmup`` pictures and falls over the last ``decay`` of ``total``.
    """

    total: int
    minutes: float
    lr: float
    batch: int
    seed: int
    warmup: int = 8_000
    decay: float = 0.3
    look_every: float = 4.0
    save_every: float = 5.0


def schedule(seen: int, total: int, warmup: int, decay: float) -> float:
    """Share of the peak rate: linear warm-up, constant, linear decay over the last ``decay`` of ``total``."""
    rise = min(1.0, (seen + 1) / max(warmup, 1))
    left = (total - seen) / max(decay * total, 1)
    return rise * min(1.0, max(left, 0.02))


class Run:
    """Drives ``step(rng, picture_count) → loss`` from its last checkpoint to ``total`` pictures or the time budget.

    Every batch's randomness comes from (seed, pictures seen), so that a resumed run draws what an undisturbed one
    would have drawn.
    """

    def __init__(self, folder: Path, optimizer: MasterOptimizer, plan: Plan) -> None:
        self.folder, self.optimizer, self.plan, self.seen = folder, optimizer, plan, 0
        folder.mkdir(parents=True, exist_ok=True)
        self.checkpoint = folder / "checkpoint.pt"
        if self.checkpoint.exists():
            state = torch.load(self.checkpoint, map_location="cpu", weights_only=True)
            optimizer.load(state["optimizer"])
            self.seen = state["seen"]

    def save(self) -> None:
        """Writes the checkpoint under a temporary name, flushes it and renames it."""
        temporary = self.checkpoint.with_suffix(".tmp")
        with temporary.open("wb") as file:
            torch.save({"optimizer": self.optimizer.state(), "seen": self.seen}, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self.checkpoint)

    def log(self, **values: Any) -> None:
        """Appends one line to ``log.jsonl`` and prints it."""
        line = {"seen": self.seen, **{k: round(v, 5) if isinstance(v, float) else v for k, v in values.items()}}
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(self.folder.name, json.dumps(line), flush=True)

    def go(self, step: Callable[[np.random.Generator, int], torch.Tensor], look: Callable[[], dict[str, Any]]) -> bool:
        """Trains until done (True) or until the budget is used up (False); ``look`` measures and draws."""
        plan = self.plan
        started = looked = saved = time.monotonic()
        start_seen, losses, norms = self.seen, [], []
        while self.seen < plan.total and (time.monotonic() - started) / 60 < plan.minutes:
            loss = step(np.random.default_rng([plan.seed, self.seen]), plan.batch)
            loss.backward()
            factor = schedule(self.seen, plan.total, plan.warmup, plan.decay)
            norms.append(self.optimizer.step(plan.lr * factor))
            losses.append(loss.detach())
            self.seen += plan.batch
            now = time.monotonic()
            if now - looked > 60 * plan.look_every:
                speed = (self.seen - start_seen) / (now - started)
                self.log(loss=torch.stack(losses).mean().item(), norm=float(np.mean(norms)), per_second=speed, **look())
                losses, norms, looked = [], [], now
            if now - saved > 60 * plan.save_every:
                self.save()
                saved = now
        self.save()
        self.log(finished=self.seen >= plan.total, **look())
        return self.seen >= plan.total
