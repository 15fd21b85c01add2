"""A short digest of a component's weight files, the same wherever they lie and however they are loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

from lorabooth.families.source.find import ModelSource

BLOCK, BLOCKS = 4096, 256


def component_digest(source: ModelSource, name: str) -> str:
    """Sixteen hex digits over the weight files of one component (`unet`, `vae`, `text_encoder`)."""
    if source.kind == "single_file":
        return _digest([source.path])
    suffix = f".{source.variant}.safetensors" if source.variant else ".safetensors"
    files = sorted((source.path / name).glob("*.safetensors"))
    chosen = [f for f in files if f.name.endswith(suffix)] or files
    config = source.path / name / "config.json"
    return _digest([*chosen, *([config] if config.exists() else [])])


def _digest(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{size}".encode())
        with file.open("rb") as stream:
            for start in range(0, size, max(BLOCK, size // BLOCKS)):
                stream.seek(start)
                digest.update(stream.read(BLOCK))
    return digest.hexdigest()[:16]
