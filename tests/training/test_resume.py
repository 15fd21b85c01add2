"""Resuming is exact: N steps, and k steps + a crash + the rest, end in the same bytes."""

from __future__ import annotations

import re
import shutil
import signal
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import (
    Trained,
    command,
    crashed_at,
    make_config,
    make_photos,
    resume,
    run,
    start,
    steps_of,
)

from lorabooth.api import resume_events, train_events
from lorabooth.errors import InputError
from lorabooth.training.checkpoint import checkpoint_steps
from lorabooth.training.events import CheckpointEvent, ClassImagesEvent, SampleEvent, StartedEvent
from lorabooth.training.folder import RunFolder

CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "text encoder": {"lora__text_encoder": True},
    "average": {"ema__enabled": True},
    "class images": {"prior__weight": 0.5},
    "accumulation": {"training__gradient_accumulation": 2, "training__batch_size": 2},
    "dropout": {"lora__dropout": 0.3, "lora__text_encoder": True},
    "random crop and flip": {"subject__crop": "random", "subject__flip": True},
    "no cache": {"training__cache": False},
    "v-prediction": {"base": "v", "objective__snr_gamma": 5, "objective__noise_offset": 0.1},
    "cosine": {"optimizer__schedule": "cosine", "optimizer__warmup_steps": 2},
    "restarts": {"optimizer__schedule": "cosine_with_restarts", "optimizer__cycles": 2},
    "adafactor": {"optimizer__name": "adafactor"},
    "prodigy": {"optimizer__name": "prodigy", "lora__text_encoder": True, "optimizer__warmup_steps": 1},
    "schedule-free": {"optimizer__name": "schedulefree", "optimizer__warmup_steps": 1},
    "schedule-free with average": {"optimizer__name": "schedulefree", "ema__enabled": True, "sampling__enabled": True},
    "everything": {
        "lora__text_encoder": True,
        "lora__dropout": 0.1,
        "ema__enabled": True,
        "prior__weight": 0.5,
        "training__gradient_accumulation": 2,
        "training__gradient_checkpointing": True,
        "subject__flip": True,
        "sampling__enabled": True,
    },
}


@pytest.fixture
def bases(tiny_sd: Path, tiny_sd2: Path) -> dict[str, Path]:
    return {"epsilon": tiny_sd, "v": tiny_sd2}


@pytest.fixture
def trained(tiny_sd: Path, photos: Path, tmp_path: Path) -> Trained:
    return run(make_config(tiny_sd, photos, tmp_path / "whole"))


@pytest.mark.parametrize("case", CASES)
def test_result_after_a_crash_is_the_same_file(bases: dict[str, Path], photos: Path, tmp_path: Path, case: str) -> None:
    options = dict(CASES[case])
    config = make_config(bases[options.pop("base", "epsilon")], photos, tmp_path / "whole", **options)
    whole = run(config)
    again = resume(crashed_at(whole, 2, tmp_path / "crashed"))
    assert [s.step for s in again.steps] == [3, 4]
    assert again.steps == whole.steps[2:]
    assert again.lora == whole.lora
    first, last = (RunFolder(whole.folder.path).checkpoints / f"step-00000{n}/lora.safetensors" for n in (2, 4))
    assert first.read_bytes() != last.read_bytes()


def test_a_run_abandoned_between_checkpoints_goes_on_at_the_last(
    trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path
) -> None:
    events = train_events(make_config(tiny_sd, photos, tmp_path / "left"))
    seen = []
    for event in events:
        seen.append(event)
        if len(steps_of(seen)) == 3:
            break
    events.close()  # type: ignore[attr-defined]
    again = resume(tmp_path / "left")
    assert [s.step for s in again.steps] == [3, 4]
    assert again.lora == trained.lora
    recorded = [r["step"] for r in again.folder.events() if r["event"] == "step"]
    assert recorded == [1, 2, 3, 4]


def test_a_run_without_a_checkpoint_starts_again(trained: Trained, tmp_path: Path) -> None:
    again = resume(crashed_at(trained, 0, tmp_path / "early"))
    assert again.lora == trained.lora
    kinds = [r["event"] for r in again.folder.events()]
    assert kinds == [r["event"] for r in trained.folder.events()]


def test_resuming_a_finished_run_changes_nothing(trained: Trained) -> None:
    before = trained.lora
    again = resume(trained.folder.path)
    assert not again.steps
    assert again.lora == before


def test_a_constant_run_can_be_made_longer(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    longer = resume(trained.folder.path, "training.steps=6")
    assert [s.step for s in longer.steps] == [5, 6]
    assert longer.lora == run(make_config(tiny_sd, photos, tmp_path / "six", training__steps=6)).lora
    assert longer.folder.config().training.steps == 6


@pytest.mark.parametrize(
    ("override", "part"),
    [("lora.rank=8", "lora.rank=2"), ("training.seed=1", "training.seed=0"), ("prior.weight=1", "prior.weight=0")],
)
def test_a_changed_option_is_refused(trained: Trained, override: str, part: str) -> None:
    with pytest.raises(InputError, match=re.escape(f"was started with {part}")):
        resume(trained.folder.path, override)


def test_a_schedule_with_an_end_can_not_be_made_longer(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trained = run(make_config(tiny_sd, photos, tmp_path / "run", optimizer__schedule="linear"))
    with pytest.raises(InputError, match="linear schedule"):
        resume(trained.folder.path, "training.steps=6")


def test_output_and_sampling_may_change(trained: Trained, tmp_path: Path) -> None:
    again = resume(crashed_at(trained, 2, tmp_path / "crashed"), "sampling.enabled=true", "output.keep_checkpoints=1")
    assert again.lora == trained.lora
    assert list(checkpoint_steps(again.folder.checkpoints)) == [4]
    assert [e.step for e in again.events if isinstance(e, SampleEvent)] == [2, 4]


@pytest.mark.parametrize("change", ["photo", "model"])
def test_other_photos_or_another_model_are_refused(tiny_sd: Path, tiny_sd2: Path, tmp_path: Path, change: str) -> None:
    photos = make_photos(tmp_path / "photos")
    base = Path(shutil.copytree(tiny_sd, tmp_path / "base"))
    trained = run(make_config(base, photos, tmp_path / "run"))
    crashed = crashed_at(trained, 2, tmp_path / "crashed")
    if change == "photo":
        (photos / "photo1.png").unlink()
    else:
        other = "unet/diffusion_pytorch_model.safetensors"
        blob = bytearray((base / other).read_bytes())
        blob[-1] ^= 1
        (base / other).write_bytes(blob)
    with pytest.raises(InputError, match=f"The .*{change}.* changed since it was started"):
        resume(crashed)
    assert list(checkpoint_steps(crashed / "checkpoints")) == [2]


def test_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no config\.yaml"):
        resume(tmp_path)


# --- killed for good


def kill_when(words: list[str], ready: Callable[[], bool]) -> None:
    """Starts a run and kills it, with no chance to react, while ``ready``; it is held still to make sure of that."""
    process = start(*words)
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            if ready():
                process.send_signal(signal.SIGSTOP)
                if ready():
                    break
                process.send_signal(signal.SIGCONT)
            time.sleep(0.001)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["during a save", "between saves"])
def test_kill_9(tiny_sd: Path, photos: Path, tmp_path: Path, moment: str) -> None:
    every = 2 if moment == "during a save" else 5
    steps = 24 if moment == "during a save" else 30
    options: dict[str, Any] = {"prior__weight": 1, "lora__text_encoder": True, "ema__enabled": True}
    options |= {"training__steps": steps, "output__checkpoint_every": every}
    whole = run(make_config(tiny_sd, photos, tmp_path / "whole", **options))
    killed = tmp_path / "killed"
    saves = killed / "checkpoints"

    def half_saved() -> bool:
        return any((folder / "lora.safetensors").exists() for folder in saves.glob(".step-*.tmp"))

    def on_the_way() -> bool:
        return steps_recorded(killed) % every == 3

    ready = half_saved if moment == "during a save" else on_the_way
    kill_when(command("train", "--config", str(whole.folder.config_file), "--output", str(killed)), ready)
    assert not (killed / "lora.safetensors").exists()
    done = list(checkpoint_steps(saves))
    assert done == list(range(every, len(done) * every + 1, every))
    assert len(done) < steps // every
    again = resume(killed)
    assert again.lora == whole.lora
    assert list(checkpoint_steps(saves)) == list(range(every, steps + 1, every))
    assert not list(killed.rglob("*.tmp"))
    assert [r["step"] for r in again.folder.events() if r["event"] == "step"] == list(range(1, steps + 1))


def steps_recorded(folder: Path) -> int:
    """Steps in the events of a run."""
    try:
        return (folder / "events.jsonl").read_text().count('"event": "step"')
    except FileNotFoundError:
        return 0


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    whole = run(make_config(tiny_sd, photos, tmp_path / "whole", training__steps=40, output__checkpoint_every=40))
    stopped = tmp_path / "stopped"
    process = start(*command("train", "--config", str(whole.folder.config_file), "--output", str(stopped)))
    while steps_recorded(stopped) < 3 and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert f"lorabooth train --resume {stopped}" in said
    assert "Traceback" not in said
    (step,) = checkpoint_steps(stopped / "checkpoints")
    assert 3 <= step < 40
    assert not (stopped / "lora.safetensors").exists()
    assert resume(stopped).lora == whole.lora


def test_stopping_in_process_resumes_exactly(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """A signal at step 3, between two checkpoints, makes one of its own."""
    seen = []
    for event in train_events(make_config(tiny_sd, photos, tmp_path / "stopped")):
        seen.append(event)
        if len(steps_of(seen)) == 3 and steps_of([event]):
            signal.raise_signal(signal.SIGTERM)
    last = seen[-1]
    assert last.stopped  # type: ignore[union-attr]
    assert [e.step for e in seen if isinstance(e, CheckpointEvent)] == [2, 3]
    assert resume(tmp_path / "stopped").lora == trained.lora


def test_stopping_at_the_last_step_finishes(trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    for event in train_events(make_config(tiny_sd, photos, tmp_path / "run")):
        last = event
        if steps_of([event]) and event.step == 4:  # type: ignore[union-attr]
            signal.raise_signal(signal.SIGINT)
    assert not last.stopped  # type: ignore[union-attr]
    assert (tmp_path / "run" / "lora.safetensors").read_bytes() == trained.lora


def test_stopping_while_class_images_are_drawn(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    config = make_config(
        tiny_sd, photos, tmp_path / "run", prior__weight=1, prior__images=6, prior__folder=str(tmp_path / "class")
    )
    seen = []
    for event in train_events(config):
        seen.append(event)
        if isinstance(event, ClassImagesEvent):
            signal.raise_signal(signal.SIGINT)
    assert [e.ready for e in seen if isinstance(e, ClassImagesEvent)] == [2]
    assert seen[-1].stopped  # type: ignore[union-attr]
    again = resume_events(tmp_path / "run")
    assert [e.ready for e in again if isinstance(e, ClassImagesEvent)] == [4, 6]


def test_signals_are_given_back(trained: Trained) -> None:
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert isinstance(trained.events[-2], CheckpointEvent)
    started = [e for e in trained.events if isinstance(e, StartedEvent)]
    assert [s.step for s in started] == [0]


def test_steps_do_not_depend_on_the_global_random_state(
    trained: Trained, tiny_sd: Path, photos: Path, tmp_path: Path
) -> None:
    torch.manual_seed(123)
    assert run(make_config(tiny_sd, photos, tmp_path / "again")).lora == trained.lora


def test_losses_are_recorded_as_they_were(trained: Trained) -> None:
    recorded = [r for r in trained.folder.events() if r["event"] == "step"]
    assert [r["loss"] for r in recorded] == [s.loss for s in trained.steps]
    assert all(a["step"] + 1 == b["step"] for a, b in pairwise(recorded))
