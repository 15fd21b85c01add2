"""Checkpoints: a folder each, complete or absent; the newest N are kept."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lorabooth.errors import InputError
from lorabooth.files import disk_fault, write_atomic

STATE = "state.pt"
LORA = "lora.safetensors"
_NAME = re.compile(r"step-(\d{6,})")


def checkpoint_steps(folder: Path) -> dict[int, Path]:
    """Complete checkpoints in a run's `checkpoints/`, oldest first."""
    found = {}
    for path in folder.glob("step-*"):
        match = _NAME.fullmatch(path.name)
        if match and (path / STATE).exists() and (path / LORA).exists():
            found[int(match[1])] = path
    return dict(sorted(found.items()))


def write_checkpoint(folder: Path, step: int, state: dict[str, Any], write_lora: Callable[[Path], None]) -> Path:
    """Writes `step-000100/` under a temporary name, flushes it and renames it.

    Raises:
        MachineError: the disk is full or the folder read-only; earlier checkpoints are untouched.
    """
    final = folder / f"step-{step:06d}"
    temporary = folder / f".step-{step:06d}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
        write_lora(temporary / LORA)
        write_atomic(temporary / STATE, lambda file: _save(state, file))
        shutil.rmtree(final, ignore_errors=True)
        temporary.rename(final)
    except OSError as error:
        raise disk_fault(final, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return final


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    # Through memory: torch tells a full disk as a RuntimeError of its own.
    buffer = io.BytesIO()
    torch.save(state, buffer)
    file.write(buffer.getbuffer())


def prune(folder: Path, keep: int) -> None:
    """Deletes all but the newest ``keep`` checkpoints (0 keeps all) and what a kill left half-written."""
    for leftover in folder.glob(".step-*.tmp"):
        shutil.rmtree(leftover, ignore_errors=True)
    if keep:
        for path in list(checkpoint_steps(folder).values())[:-keep]:
            shutil.rmtree(path, ignore_errors=True)


def read_state(path: Path) -> dict[str, Any]:
    """The resumable state of one checkpoint, read without running any code in it.

    Raises:
        InputError: the file is damaged.
    """
    try:
        state: dict[str, Any] = torch.load(path / STATE, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(
            f"{path / STATE} is damaged.", f"Delete {path} to resume from the checkpoint before it."
        ) from error
    return state
