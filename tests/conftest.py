"""Tiny base models that many tests share; built once a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from runs import make_photos
from tiny import build_tiny_checkpoint, build_tiny_sd


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of latents and class images for this session, never the user's."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LORABOOTH_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three photos; don't change them, make others."""
    return make_photos(tmp_path_factory.mktemp("subject") / "photos")


@pytest.fixture(scope="session")
def tiny_sd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 1, epsilon, as a diffusers folder; don't change it, copy it."""
    return build_tiny_sd(tmp_path_factory.mktemp("tiny") / "sd1")


@pytest.fixture(scope="session")
def tiny_sd2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stable Diffusion 2, v-prediction, as a diffusers folder; don't change it, copy it."""
    folder = tmp_path_factory.mktemp("tiny") / "sd2"
    return build_tiny_sd(folder, prediction_type="v_prediction", use_linear_projection=True)


@pytest.fixture(scope="session")
def tiny_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[int, tuple[Path, Path]]:
    """Generation (1, 2) → a diffusers folder with CLIP's vocabulary, and the same as a single LDM file."""
    folder = tmp_path_factory.mktemp("checkpoints")
    one = build_tiny_sd(folder / "sd1", clip_vocabulary=True)
    two = build_tiny_sd(
        folder / "sd2", prediction_type="v_prediction", use_linear_projection=True, clip_vocabulary=True
    )
    return {
        1: (one, build_tiny_checkpoint(one, folder / "sd1.safetensors")),
        2: (two, build_tiny_checkpoint(two, folder / "sd2.safetensors")),
    }
