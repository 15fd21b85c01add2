"""Figures in which no object can be made out: the right colours, in the right place, on a sharp background."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sprites.world.draw import Array, Rng, disc, f32, noise, pick


def spoil(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """A sprite, uint8 RGBA [n, n, 4] with straight alpha, as mush of its own colours."""
    kind = pick(rng, (melted, blocky, blob, scrambled, crumpled, crumpled))
    return kind(pixels, rng)


def melted(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Smoothed until 3 to 6 colours a side are left."""
    return _coarse(pixels, int(rng.integers(3, 7)), Image.Resampling.BICUBIC)


def blocky(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """A mosaic of 3 to 6 squares a side."""
    return _coarse(pixels, int(rng.integers(3, 7)), Image.Resampling.NEAREST)


def blob(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Its smoothed colours in a round shape that has nothing to do with it: colour-matched."""
    side = pixels.shape[0]
    colours = melted(pixels, rng)
    inside = pixels[..., 3] > 128
    mean = pixels[inside][:, :3].mean(0) if inside.any() else np.full(3, 128)
    opaque = colours[..., 3:].astype(f32) / f32(255)
    filled = colours[..., :3] * opaque + mean * (1 - opaque)
    ragged = noise(rng, side, int(rng.integers(3, 7))) - f32(0.5)
    round_ = disc(side, 0.5, 0.5, rng.uniform(0.33, 0.46)) - f32(0.5)
    soft = np.asarray(Image.fromarray(round_).resize((8, 8), Image.Resampling.BOX).resize((side, side)), f32)
    shape = np.clip((soft + ragged * f32(0.9)) * f32(rng.uniform(4, 16)) + f32(0.5), 0, 1)
    return _joined(filled, shape)


def scrambled(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Its square patches in random order."""
    side, cells = pixels.shape[0], int(rng.choice([4, 8]))
    patch = side // cells
    patches = pixels.reshape(cells, patch, cells, patch, 4).swapaxes(1, 2).reshape(cells * cells, patch, patch, 4)
    mixed = rng.permutation(patches).reshape(cells, cells, patch, patch, 4)
    return np.ascontiguousarray(mixed.swapaxes(1, 2).reshape(side, side, 4))


def crumpled(pixels: NDArray[np.uint8], rng: Rng) -> NDArray[np.uint8]:
    """Pulled about like wet paper until its outline is lost: what a half-trained model draws."""
    return pulled(pixels, rng, int(rng.integers(6, 10)), rng.uniform(0.18, 0.28))


def pulled(pixels: NDArray[np.uint8], rng: Rng, cells: int, reach: float) -> NDArray[np.uint8]:
    """Every pixel fetched from up to ``reach`` sides away, alike within about a ``cells``-th of the side."""
    side = pixels.shape[0]
    places = np.arange(side)
    down, across = ((noise(rng, side, cells) - f32(0.5)) * f32(2 * reach * side) for _ in range(2))
    rows = np.clip(places[:, None] + down, 0, side - 1).astype(int)
    columns = np.clip(places[None] + across, 0, side - 1).astype(int)
    fetched: NDArray[np.uint8] = pixels[rows, columns]
    return fetched


def _coarse(pixels: NDArray[np.uint8], cells: int, filter_: Image.Resampling) -> NDArray[np.uint8]:
    picture = Image.fromarray(pixels).convert("RGBa").resize((cells, cells), Image.Resampling.BOX)
    return np.asarray(picture.resize(pixels.shape[1::-1], filter_).convert("RGBA"))


def _joined(colours: Array, opaque: Array) -> NDArray[np.uint8]:
    sprite = np.concatenate([colours, opaque[..., None] * 255], -1)
    return np.clip(sprite + 0.5, 0, 255).astype(np.uint8)
