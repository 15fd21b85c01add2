"""Safetensors files: names and shapes without loading anything, and single tensors without a mapping that stays."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorabooth.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

PICKLES = (".bin", ".ckpt", ".pt", ".pth", ".pkl")
PARTIAL = (".incomplete", ".part", ".crdownload", ".aria2")
CONVERT = (
    "If you trust its author, convert it on https://huggingface.co/spaces/safetensors/convert, "
    "or load it in diffusers and call save_pretrained()."
)
_AGAIN = "Download it again."
_LARGEST_HEADER = 100_000_000  # bytes, the format's own limit


@dataclass(frozen=True)
class Header:
    """What a safetensors file says it holds."""

    shapes: dict[str, tuple[int, ...]]
    metadata: dict[str, str]


def read_header(path: Path) -> Header:
    """Reads names, shapes and metadata, and checks that the file is whole.

    Raises:
        InputError: the file is missing, half-downloaded, damaged, or no safetensors file (a pickle, an LFS pointer).
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(8)
            _check_start(path, start, size)
            length = int.from_bytes(start, "little")
            raw = file.read(length)
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error}).") from error
    entries = _parse(path, raw)
    metadata = entries.pop("__metadata__", None) or {}
    _check_length(path, entries, present=size - 8 - length)
    return Header({name: tuple(entry["shape"]) for name, entry in entries.items()}, dict(metadata))


def _check_start(path: Path, start: bytes, size: int) -> None:
    if any(path.with_name(path.name + suffix).exists() for suffix in PARTIAL):
        raise InputError(f"{path} is half-downloaded: its download has not finished.", _AGAIN)
    if start.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise InputError(f"{path} is a pickle in spite of its name, and pickles can run code when loaded.", CONVERT)
    if start.startswith(b"version "):
        raise InputError(f"{path} is a git-LFS pointer, not the weights themselves.", "Run `git lfs pull` there.")
    if start.lstrip().startswith(b"<"):
        raise InputError(f"{path} is a web page, not a safetensors file.", _AGAIN)
    if size < 8 or int.from_bytes(start, "little") + 8 > size:
        if size >= 8 and int.from_bytes(start, "little") > _LARGEST_HEADER:
            raise InputError(f"{path} is no safetensors file.")
        raise InputError(f"{path} is half-downloaded: it ends after {size:,} bytes, inside its header.", _AGAIN)


def _parse(path: Path, raw: bytes) -> dict[str, Any]:
    try:
        entries = json.loads(raw)
    except ValueError as error:
        raise InputError(f"{path} is no safetensors file: its header is not JSON.") from error
    tensors = [v for k, v in entries.items() if k != "__metadata__"] if isinstance(entries, dict) else [None]
    if not all(isinstance(v, dict) and {"shape", "data_offsets"} <= v.keys() for v in tensors):
        raise InputError(f"{path} is no safetensors file: its header lists no tensors.")
    return dict(entries)


def _check_length(path: Path, entries: dict[str, Any], present: int) -> None:
    promised = max((entry["data_offsets"][1] for entry in entries.values()), default=0)
    if present < promised:
        share = math.floor(100 * present / promised)
        raise InputError(
            f"{path} is half-downloaded: {share} % of its {promised:,} bytes of weights are there.", _AGAIN
        )
    if present > promised:
        raise InputError(f"{path} is damaged: it is {present - promised:,} bytes longer than its header says.", _AGAIN)


def read_tensor(path: Path, name: str) -> Tensor:
    """One tensor in memory of its own.

    The file is mapped anew each time: pages that were read count as this process's memory until their mapping goes,
    so that copying many tensors out of one mapping would need twice the size of the model.
    """
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        tensor: Tensor = file.get_tensor(name).clone()
    return tensor
