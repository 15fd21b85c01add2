"""Puts a figure into a backdrop: pose, place, shadow, waterline."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from sprites.world.accessories import Accessory, spot
from sprites.world.contexts import Ground
from sprites.world.draw import Array, edge, f32, grid
from sprites.world.figure import Figure
from sprites.world.looks import Change


@dataclass(frozen=True)
class Pose:
    """Side, middle and foot of a figure in canvas pixels, its tilt in radians, and how it is turned."""

    side: float
    x: float
    foot: float
    tilt: float = 0.0
    flip: bool = False
    upside_down: bool = False


def place(picture: Image.Image, size: int, x: float, y: float, side: float, pose: Pose, flip: bool = False) -> Array:
    """A premultiplied square picture, ``side`` large around (x, y) and turned as posed, as a layer [S, S, 4] in 0…1."""
    source, scale = picture.width, picture.width / side
    cosine, sine = math.cos(pose.tilt) * scale, math.sin(pose.tilt) * scale
    a, b = (-cosine, -sine) if flip else (cosine, sine)
    d, e = (sine, -cosine) if pose.upside_down else (-sine, cosine)
    matrix = (a, b, source / 2 - a * x - b * y, d, e, source / 2 - d * x - e * y)
    filter_ = Image.Resampling.BICUBIC if side > 40 else Image.Resampling.BILINEAR
    return np.asarray(picture.transform((size, size), Image.Transform.AFFINE, matrix, filter_), f32) / f32(255)


def lay_over(canvas: Array, layer: Array) -> None:
    """Composes a premultiplied layer [S, S, 4] over the canvas."""
    canvas *= f32(1) - layer[..., 3:]
    canvas += layer[..., :3]


def cast_shadow(canvas: Array, layer: Array, ground: Ground, foot: float) -> None:
    """Darkens the canvas under a layer that stands at height ``foot`` (0…1), or beside one on a wall."""
    if ground is Ground.NONE:
        return
    if ground is Ground.WALL:
        canvas *= (f32(1) - _dropped_shadow(layer))[..., None]
        return
    columns = np.where((layer[..., 3] > 0.5).any(0))[0]
    if len(columns) == 0:
        return
    size = canvas.shape[0]
    first, last = int(columns[0]), int(columns[-1])
    width, middle = (last - first + 1) / size, (first + last + 1) / 2 / size
    x, y = grid(size)
    distance = ((x - f32(middle)) / f32(max(width * 0.5, 0.02))) ** 2
    distance = distance + ((y - f32(foot)) / f32(max(width * 0.11, 0.012))) ** 2
    canvas *= (f32(1) - f32(0.42) * np.exp(-distance * f32(1.3)))[..., None]


def _dropped_shadow(layer: Array) -> Array:
    """The layer's blurred outline [S, S], moved down and right."""
    size, shift = layer.shape[0], max(1, layer.shape[0] // 28)
    outline = Image.fromarray((layer[..., 3] * 255).astype(np.uint8)).reduce(4)
    blurred = np.asarray(outline.resize((size, size), Image.Resampling.BILINEAR), f32) / f32(255 / 0.3)
    shadow = np.roll(blurred, (shift, shift), (0, 1))
    shadow[:shift] = 0
    shadow[:, :shift] = 0
    return shadow


def add_figure(
    canvas: Array,
    figure: Figure,
    ground: Ground,
    pose: Pose,
    changes: Sequence[Change] = (),
    accessory: Accessory | None = None,
) -> None:
    """Draws a posed figure with its shadow and its accessory into the canvas."""
    size = canvas.shape[0]
    y = pose.foot if ground is Ground.NONE else pose.foot - pose.side / 2 * math.cos(pose.tilt)
    layer = place(figure.at(pose.side, changes), size, pose.x, y, pose.side, pose, pose.flip)
    worn = _accessory_layer(accessory, figure, pose, y, size) if accessory else None
    cast_shadow(canvas, layer, ground, min(pose.foot / size, 1.2))
    if worn is not None and accessory and accessory.is_behind:
        lay_over(canvas, worn)
    if ground is Ground.LIQUID:
        above = edge(f32((pose.foot - pose.side * 0.13) / size) - grid(size)[1], size)
        layer = layer * (above * f32(0.8) + f32(0.2))[..., None]
    lay_over(canvas, layer)
    if worn is not None and accessory and not accessory.is_behind:
        lay_over(canvas, worn)


def _accessory_layer(accessory: Accessory, figure: Figure, pose: Pose, y: float, size: int) -> Array:
    head = figure.head
    if pose.flip:
        head = head._replace(x=1 - head.x)
    place_on = spot(accessory.fit, head, figure.is_face)
    right, down = place_on.x * pose.side, place_on.y * pose.side * (-1 if pose.upside_down else 1)
    cosine, sine = math.cos(pose.tilt), math.sin(pose.tilt)
    x, y = pose.x + right * cosine - down * sine, y + right * sine + down * cosine
    side = place_on.side * pose.side
    return place(accessory.at(side), size, x, y, side, pose)
