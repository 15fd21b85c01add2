"""Latents and text embeddings, encoded once, kept in memory and on disk, keyed by content and never by position."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

from lorabooth.data.dataset import Draw
from lorabooth.data.photos import resize_and_crop, to_pixels
from lorabooth.families import Family, Posterior, TextEmbedding
from lorabooth.randomness import generator


def default_folder() -> Path:
    """`$LORABOOTH_CACHE`, else `~/.cache/lorabooth`."""
    return Path(os.environ.get("LORABOOTH_CACHE", Path.home() / ".cache" / "lorabooth"))


@dataclass
class Store:
    """A folder of small tensor files behind a dictionary; a damaged file counts as absent.

    A file is the SHA-256 of what follows, then safetensors.
    """

    folder: Path | None
    memory: dict[str, dict[str, Tensor]] = field(default_factory=dict)

    def get(self, key: str, make: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
        """The tensors under ``key``, made when they are nowhere."""
        if key not in self.memory:
            found = self._read(key)
            self.memory[key] = found if found is not None else self._write(key, make())
        return self.memory[key]

    def _path(self, key: str) -> Path | None:
        return self.folder / key[:2] / f"{key}.tensors" if self.folder else None

    def _read(self, key: str) -> dict[str, Tensor] | None:
        path = self._path(key)
        if path is None or not path.exists():
            return None
        try:
            blob = path.read_bytes()
            if blob[:32] != hashlib.sha256(blob[32:]).digest():
                return None
            found: dict[str, Tensor] = safetensors.torch.load(blob[32:])
            return found
        except (safetensors.SafetensorError, OSError):
            return None

    def _write(self, key: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        path = self._path(key)
        if path is not None:
            blob = safetensors.torch.save(tensors)
            temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                temporary.write_bytes(hashlib.sha256(blob).digest() + blob)
                temporary.replace(path)
            except OSError:
                self.folder = None  # a cache that can't be written costs time, not the run
                with contextlib.suppress(OSError):
                    temporary.unlink()
        return tensors


def digest(*parts: object) -> str:
    """Hex digest of the parts' text."""
    return hashlib.sha256("\x1f".join(map(str, parts)).encode()).hexdigest()[:40]


@dataclass
class Encoder:
    """Turns draws into latents and prompts into embeddings, each picture and prompt encoded by itself.

    Encoding one by one makes the result independent of what else is in the batch, so that a run with the cache
    and one without it train on the same numbers.
    """

    family: Family
    size: int
    store: Store
    seed: int
    cached: bool = True
    live_text: bool = False

    def posterior(self, draw: Draw) -> Posterior:
        """Mean and deviation [1, c, h, w] of one picture's latents."""
        spot = draw.augmentation

        def make() -> dict[str, Tensor]:
            square = resize_and_crop(draw.example.read(), self.size, spot.window, spot.flip)
            found = self.family.encode_images(to_pixels(square)[None])
            return {"mean": found.mean.contiguous(), "deviation": found.deviation.contiguous()}

        if not self.cached:
            return Posterior(**make())
        encoder = (self.family.device.type, self.family.fingerprint("autoencoder"))
        key = digest(draw.example.key, self.size, spot.window, spot.flip, *encoder)
        return Posterior(**self.store.get(key, make))

    def latents(self, draws: Sequence[Draw]) -> Tensor:
        """Samples of the posteriors, [b, c, h, w] fp32 on the family's device."""
        return torch.cat([self._sample(draw) for draw in draws]).to(self.family.device)

    def _sample(self, draw: Draw) -> Tensor:
        mean, deviation = self.posterior(draw)
        chance = torch.randn(mean.shape, generator=generator(self.seed, draw.position, f"posterior/{draw.kind}"))
        return mean + deviation * chance

    def text(self, draws: Sequence[Draw]) -> TextEmbedding:
        """Embeddings of the draws' prompts; live, with gradients, where the text encoder is trained."""
        if self.live_text:
            return self.family.encode_prompts([draw.example.prompt for draw in draws])
        return TextEmbedding(torch.cat([self._embed(draw.example.prompt) for draw in draws]))

    def _embed(self, prompt: str) -> Tensor:
        def make() -> dict[str, Tensor]:
            with torch.no_grad(), torch.autocast(self.family.device.type, enabled=False):
                return {"hidden": self.family.encode_prompts([prompt]).hidden.cpu().contiguous()}

        if not self.cached:
            return make()["hidden"].to(self.family.device)
        key = digest(prompt, self.family.dtype, self.family.device.type, self.family.fingerprint("text"))
        return self.store.get(key, make)["hidden"].to(self.family.device)

    def warm(self, draws: Sequence[Draw]) -> None:
        """Encodes everything the draws need, so that the encoders can be freed."""
        if self.cached:
            for draw in draws:
                self.posterior(draw)
                if not self.live_text:
                    self._embed(draw.example.prompt)
