"""Randomness as a function of (seed, position, purpose), never of how long the process has run."""

from __future__ import annotations

import hashlib

import torch


def derived_seed(seed: int, position: int, purpose: str) -> int:
    """A 63-bit seed that any process can compute without what came before."""
    digest = hashlib.blake2b(f"{seed}/{position}/{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


def generator(seed: int, position: int, purpose: str) -> torch.Generator:
    """A CPU generator for one purpose at one position of the sample stream; equal on every device."""
    return torch.Generator().manual_seed(derived_seed(seed, position, purpose))
