"""Checkpoints are complete or absent, and the newest are kept."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from runs import Trained, crashed_at, make_config, resume, run

from lorabooth.errors import InputError, MachineError
from lorabooth.training.checkpoint import checkpoint_steps, prune, read_state, write_checkpoint
from lorabooth.training.events import CheckpointEvent


def write(folder: Path, step: int) -> Path:
    return write_checkpoint(folder, step, {"step": step, "x": torch.ones(2)}, lambda path: path.write_bytes(b"lora"))  # type: ignore[arg-type, func-returns-value]


def test_a_checkpoint_is_read_back(tmp_path: Path) -> None:
    path = write(tmp_path, 12)
    assert path == tmp_path / "step-000012"
    assert checkpoint_steps(tmp_path) == {12: path}
    assert read_state(path)["x"].tolist() == [1, 1]
    assert not list(tmp_path.glob(".*"))


def test_the_oldest_come_first_and_only_whole_ones_count(tmp_path: Path) -> None:
    for step in (1_000_000, 20, 999_999):
        write(tmp_path, step)
    (write(tmp_path, 30) / "state.pt").unlink()
    (write(tmp_path, 40) / "lora.safetensors").unlink()
    (tmp_path / "step-final").mkdir()
    (tmp_path / ".step-000050.tmp").mkdir()
    (tmp_path / "step-000060").write_text("a file")
    assert list(checkpoint_steps(tmp_path)) == [20, 999_999, 1_000_000]
    assert checkpoint_steps(tmp_path / "nowhere") == {}


def test_prune(tmp_path: Path) -> None:
    for step in range(1, 6):
        write(tmp_path, step)
    (tmp_path / ".step-000006.tmp").mkdir()
    (tmp_path / "notes.txt").write_text("mine")
    prune(tmp_path, 0)
    assert list(checkpoint_steps(tmp_path)) == [1, 2, 3, 4, 5]
    assert not list(tmp_path.glob(".step*"))
    prune(tmp_path, 2)
    assert list(checkpoint_steps(tmp_path)) == [4, 5]
    assert (tmp_path / "notes.txt").exists()


def test_writing_again_replaces(tmp_path: Path) -> None:
    write(tmp_path, 3)
    path = write_checkpoint(tmp_path, 3, {"step": 3, "x": torch.zeros(1)}, lambda p: p.write_bytes(b"new") and None)  # type: ignore[func-returns-value]
    assert read_state(path)["x"].tolist() == [0]
    assert (path / "lora.safetensors").read_bytes() == b"new"


def test_a_full_disk_keeps_what_was_there(tmp_path: Path) -> None:
    write(tmp_path, 1)

    def full(path: Path) -> None:
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pytest.raises(MachineError, match="disk is full") as caught:
        write_checkpoint(tmp_path, 2, {"step": 2}, full)
    assert caught.value.exit_code == 3
    assert [path.name for path in tmp_path.iterdir()] == ["step-000001"]


def test_no_code_in_a_checkpoint_is_run(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "owned"),)

    path = write(tmp_path, 1)
    torch.save({"step": Evil()}, path / "state.pt")
    with pytest.raises(InputError, match="is damaged"):
        read_state(path)
    assert not (tmp_path / "owned").exists()


@pytest.fixture(scope="module")
def trained(tiny_sd: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return run(make_config(tiny_sd, photos, tmp_path_factory.mktemp("run") / "run", lora__text_encoder=True))


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_serves(trained: Trained, tmp_path: Path) -> None:
    crashed = crashed_at(trained, 4, tmp_path / "crashed")
    state = crashed / "checkpoints" / "step-000004" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(InputError, match=r"step-000004/state\.pt is damaged") as caught:
        resume(crashed)
    assert f"Delete {state.parent}" in caught.value.hint
    (state.parent / "state.pt").unlink()
    assert resume(crashed).lora == trained.lora


def test_every_step_and_the_last(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    def steps(name: str, **options: Any) -> list[int]:
        trained = run(make_config(tiny_sd, photos, tmp_path / name, **options))
        found = [e.step for e in trained.events if isinstance(e, CheckpointEvent)]
        assert [e["step"] for e in trained.folder.events() if e["event"] == "checkpoint"] == found
        return found

    assert steps("three", training__steps=5, output__checkpoint_every=3) == [3, 5]
    assert steps("from", training__steps=5, output__checkpoint_every=1, output__checkpoint_from=3) == [3, 4, 5]
    assert steps("one", training__steps=1) == [1]


def test_the_last_checkpoint_holds_the_result(trained: Trained) -> None:
    last = list(checkpoint_steps(trained.folder.checkpoints).values())[-1]
    assert (last / "lora.safetensors").read_bytes() == trained.lora
