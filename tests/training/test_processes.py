"""Two processes are one process with twice the batch; only the first writes."""

from __future__ import annotations

import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import make_config, resume, run, start, steps_of
from safetensors.torch import load_file
from torch.testing import assert_close

from lorabooth.config import dump
from lorabooth.errors import InputError
from lorabooth.training.engine import Engine
from lorabooth.training.folder import RunFolder

OPTIONS: dict[str, Any] = {
    "prior__weight": 0.5,
    "lora__text_encoder": True,
    "subject__flip": True,
    "training__gradient_accumulation": 2,
    "training__steps": 4,
}


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def launch(launcher: str, *words: str) -> str:
    """Runs lorabooth in two processes on the CPU and returns what they said."""
    torchrun = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", free_port()]
    accelerate = ["-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2", "--num_machines", "1"]
    accelerate += ["--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", free_port()]
    prefix = torchrun if launcher == "torchrun" else accelerate
    process = start(sys.executable, *prefix, "-m", "lorabooth", *words, env={**os.environ, "OMP_NUM_THREADS": "1"})
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    return said


def curve(folder: Path) -> list[list[float]]:
    steps = [r for r in RunFolder(folder).events() if r["event"] == "step"]
    return [[s["loss"], s["instance_loss"], s["prior_loss"], s["grad_norm"]] for s in steps]


@pytest.mark.slow
@pytest.mark.parametrize("launcher", ["torchrun", "accelerate"])
def test_two_processes_have_the_loss_curve_of_twice_the_batch(
    tiny_sd: Path, photos: Path, tmp_path: Path, launcher: str
) -> None:
    one = run(make_config(tiny_sd, photos, tmp_path / "one", training__batch_size=2, **OPTIONS))
    config = tmp_path / "config.yaml"
    two = tmp_path / "two"
    config.write_text(dump(make_config(tiny_sd, photos, two, training__batch_size=1, **OPTIONS)))
    said = launch(launcher, "train", "--config", str(config))
    assert_close(curve(two), curve(one.folder.path), rtol=1e-5, atol=0)
    records = RunFolder(two).events()
    assert [r["step"] for r in records if r["event"] == "step"] == [1, 2, 3, 4]
    assert [r["event"] for r in records].count("finished") == 1
    assert [json.loads(line) for line in (two / "events.jsonl").read_text().splitlines()] == records
    assert sorted(p.name for p in (two / "checkpoints").iterdir()) == ["step-000002", "step-000004"]
    assert len(list((two / "logs").iterdir())) == 1
    assert "Traceback" not in said
    assert_close(load_file(two / "lora.safetensors"), one.weights, rtol=0.01, atol=1e-3)
    with pytest.raises(InputError, match="number of processes"):
        resume(two, "training.steps=6")


def test_accumulation_is_the_same_as_a_bigger_batch(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"prior__weight": 0.5, "training__steps": 3}
    big = run(make_config(tiny_sd, photos, tmp_path / "big", training__batch_size=4, **options))
    small = run(make_config(tiny_sd, photos, tmp_path / "small", training__gradient_accumulation=4, **options))
    assert_close([s.loss for s in small.steps], [s.loss for s in big.steps], rtol=1e-5, atol=0)
    assert_close([s.grad_norm for s in small.steps], [s.grad_norm for s in big.steps], rtol=1e-4, atol=0)
    assert len(steps_of(big.events)) == 3


def test_processes_that_accelerate_does_not_start_are_no_silent_half_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 2` leaves this environment to the only process it starts."""
    monkeypatch.setenv("ACCELERATE_USE_CPU", "True")
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with pytest.raises(InputError, match="one process where several were asked for"):
        Engine("fp32")
