"""Optimizers by name; learning-rate schedules against diffusers' own."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.optimization import get_scheduler
from runs import assert_same_weights, make_config, run
from torch import nn

from lorabooth.errors import InputError
from lorabooth.training.optimizer import Group, build_optimizer, learning_rate_factor

STEPS = 20
SCHEDULES: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {
    "constant": ("constant_with_warmup", {}, {}),
    "linear": ("linear", {}, {}),
    "cosine": ("cosine", {}, {}),
    "cosine_with_restarts": ("cosine_with_restarts", {"num_cycles": 3}, {"cycles": 3.0}),
    "polynomial": ("polynomial", {"power": 2.5}, {"power": 2.5}),
}


@pytest.mark.parametrize("warmup", [0, 1, 5])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules_equal_diffusers(name: str, warmup: int) -> None:
    theirs, options, ours = SCHEDULES[name]
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = get_scheduler(theirs, optimizer, num_warmup_steps=warmup, num_training_steps=STEPS, **options)
    factor = learning_rate_factor(name, steps=STEPS, warmup_steps=warmup, **{"cycles": 1.0, "power": 1.0, **ours})
    for step in range(STEPS):
        assert factor(step) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_a_function_of_the_step_alone(name: str) -> None:
    def factors(steps: list[int]) -> list[float]:
        factor = learning_rate_factor(name, steps=STEPS, warmup_steps=4, cycles=2, power=1)
        return [factor(step) for step in steps]

    assert factors(list(range(STEPS)))[7] == factors([7])[0]
    assert factors([0, 1, 2, 3]) == [0, 0.25, 0.5, 0.75]


def test_rates_of_a_run(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trained = run(
        make_config(tiny_sd, photos, tmp_path / "run", optimizer__schedule="linear", optimizer__warmup_steps=2)
    )
    assert [s.learning_rate for s in trained.steps] == pytest.approx([0, 0.005, 0.01, 0.005])


def test_a_scaled_rate(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"optimizer__scale_learning_rate": True, "training__batch_size": 3, "training__steps": 1}
    trained = run(make_config(tiny_sd, photos, tmp_path / "run", training__gradient_accumulation=2, **options))
    assert trained.steps[0].learning_rate == pytest.approx(0.06)


NAMES = ["adamw", "adafactor", "prodigy", "schedulefree"]


def built(name: str, rates: tuple[float, ...] = (0.1,), **options: Any) -> torch.optim.Optimizer:
    groups = [Group(params=[nn.Parameter(torch.ones(3, 2))], lr=rate) for rate in rates]
    settings: dict[str, Any] = {"betas": (0.8, 0.9), "weight_decay": 0.02, "epsilon": 1e-6}
    return build_optimizer(name, groups, **{**settings, **options})


@pytest.mark.parametrize("name", NAMES)
def test_settings_reach_the_optimizer(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    optimizer = built(name)
    (group,) = optimizer.param_groups
    assert group["weight_decay"] == 0.02
    assert name == "adafactor" or (group["betas"], group["eps"]) == ((0.8, 0.9), 1e-6)
    assert group["lr"] == 0.1
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("name", NAMES)
def test_every_optimizer_finds_a_minimum(name: str) -> None:
    optimizer = built(name, (1.0 if name == "prodigy" else 0.1,), weight_decay=0.0)
    parameter = optimizer.param_groups[0]["params"][0]
    getattr(optimizer, "train", lambda: None)()
    for _ in range(150):
        optimizer.zero_grad()
        (parameter - 0.3).square().sum().backward()
        optimizer.step()
    getattr(optimizer, "eval", lambda: None)()
    assert (parameter - 0.3).abs().max() < 0.1


def test_prodigy_has_one_rate() -> None:
    assert len(built("prodigy", (1.0, 1.0)).param_groups) == 2
    with pytest.raises(InputError, match="Prodigy adapts one rate for all"):
        built("prodigy", (1.0, 0.5))


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is there")
def test_a_missing_package(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs the package bitsandbytes") as caught:
        run(make_config(tiny_sd, photos, tmp_path / "run", optimizer__name="adamw8bit"))
    assert "pip install bitsandbytes" in caught.value.hint
    assert not (tmp_path / "run").exists()


def test_schedule_free_warms_up_once(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trained = run(
        make_config(tiny_sd, photos, tmp_path / "run", optimizer__name="schedulefree", optimizer__warmup_steps=4)
    )
    state = torch.load(trained.folder.checkpoints / "step-000004/state.pt", weights_only=True)
    (group,) = state["optimizer"]["param_groups"]
    assert group["scheduled_lr"] == pytest.approx(0.0075)


def test_clipping(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    def train(name: str, limit: float) -> Any:
        options: dict[str, Any] = {"optimizer__max_grad_norm": limit, "training__steps": 3}
        return run(make_config(tiny_sd, photos, tmp_path / name, optimizer__name="adafactor", **options))

    off, wide, narrow = train("off", 0), train("wide", 1e6), train("narrow", 1e-7)
    assert_same_weights(off.weights, wide.weights)
    assert off.steps[0].grad_norm == narrow.steps[0].grad_norm > 1e-3
    assert any(not off.weights[k].equal(narrow.weights[k]) for k in off.weights)
