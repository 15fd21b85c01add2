"""LoRA files: safetensors with uniform diffusers keys, the LoRA configuration and our own facts inside."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import safetensors
from safetensors.torch import load_file, save
from torch import Tensor

from lorabooth.errors import InputError
from lorabooth.files import write_atomic

OURS = "lorabooth"
DIFFUSERS = "lora_adapter_metadata"


@dataclass(frozen=True)
class LoraFacts:
    """What a LoRA file says of itself; nothing private, nothing that changes from run to run."""

    identifier: str
    class_noun: str
    prompt: str
    base: str
    base_fingerprint: str
    step: int
    version: str
    config: dict[str, Any]


def write_lora(path: Path, state: Mapping[str, Tensor], adapter_config: Mapping[str, Any], facts: LoraFacts) -> None:
    """Writes fp32 tensors atomically; equal input gives equal bytes."""
    metadata = {
        "format": "pt",
        DIFFUSERS: json.dumps(dict(adapter_config), sort_keys=True, default=str),
        OURS: json.dumps(asdict(facts), sort_keys=True),
    }
    blob = save({k: state[k].contiguous() for k in sorted(state)}, metadata=metadata)
    write_atomic(path, lambda file: (file.write(_sorted_header(blob)), None)[1])


def _sorted_header(blob: bytes) -> bytes:
    """The library writes metadata in random order; a sorted header makes equal content equal bytes."""
    length = int.from_bytes(blob[:8], "little")
    header = json.loads(blob[8 : 8 + length])
    tensors = {k: header[k] for k in sorted(header, key=lambda k: header[k].get("data_offsets", [-1]))}
    tensors["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(tensors, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + blob[8 + length :]


def read_lora(path: Path) -> tuple[dict[str, Tensor], LoraFacts | None]:
    """Tensors and, where lorabooth wrote the file, its facts.

    Raises:
        InputError: missing, truncated, or no safetensors file.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        state = load_file(path)
    except FileNotFoundError as error:
        raise InputError(f"There is no LoRA file {path}.") from error
    except (safetensors.SafetensorError, OSError) as error:
        raise InputError(f"{path} is no whole safetensors file: {error}.") from error
    return state, _facts(metadata.get(OURS, "null"))


def _facts(text: str) -> LoraFacts | None:
    """The facts that this version knows; a newer one may have written more."""
    try:
        values = json.loads(text)
        return LoraFacts(**{item.name: values[item.name] for item in fields(LoraFacts)})
    except (ValueError, TypeError, KeyError):
        return None


def check_fits(facts: LoraFacts | None, base: str, fingerprint: str, path: Path) -> None:
    """Refuses a LoRA that was trained on another base model.

    Raises:
        InputError: the fingerprints differ.
    """
    if facts and facts.base_fingerprint != fingerprint:
        raise InputError(
            f"{path} was trained on {facts.base} ({facts.base_fingerprint}); {base} is another model ({fingerprint}).",
            f"Type model.base={facts.base}.",
        )
