"""lorabooth teaches a text-to-image diffusion model one subject from a few photos, with DreamBooth and LoRA."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from lorabooth.api import generate, train
    from lorabooth.config import TrainConfig

_PLACES = {
    "train": "lorabooth.api",
    "generate": "lorabooth.api",
    "TrainConfig": "lorabooth.config",
}

__all__ = ["TrainConfig", "__version__", "generate", "train"]


def __getattr__(name: str) -> Any:
    """Loads the public names when they are first used, so that importing the package costs nothing."""
    if name not in _PLACES:
        raise AttributeError(f"module 'lorabooth' has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)
