"""Drawing primitives: areas, edges, colours."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from sprites.world import draw
from sprites.world.figure import Figure
from sprites.world.looks import COLOURS, PATTERNS, WHOLE_PICTURE, pattern, recolour

SIZE = 96


@pytest.mark.parametrize(
    ("mask", "area"),
    [
        (draw.disc(SIZE, 0.5, 0.5, 0.3), math.pi * 0.09),
        (draw.ellipse(SIZE, 0.5, 0.5, 0.4, 0.2, 0.7), math.pi * 0.08),
        (draw.box(SIZE, 0.2, 0.7, 0.1, 0.5), 0.2),
        (draw.bar(SIZE, 0.25, 0.5), 0.25),
        (draw.rounded_box(SIZE, 0.1, 0.9, 0.2, 0.8, 0.1), 0.48 - (4 - math.pi) * 0.01),
        (draw.polygon(SIZE, (0.5, 0.1), (0.9, 0.9), (0.1, 0.9)), 0.32),
    ],
    ids=["disc", "ellipse", "box", "bar", "rounded_box", "polygon"],
)
def test_masks_cover_their_area(mask: np.ndarray, area: float) -> None:
    covered = np.broadcast_to(mask, (SIZE, SIZE))
    assert covered.min() >= 0
    assert covered.max() <= 1
    assert covered.mean() == pytest.approx(area, rel=0.04)


def test_a_level_and_a_level_profile_mask_the_same() -> None:
    profile = np.full(SIZE, 0.37, np.float32)
    level = np.broadcast_to(draw.below(SIZE, 0.37), (SIZE, SIZE))
    np.testing.assert_array_equal(draw.below(SIZE, profile), level)
    assert level.mean() == pytest.approx(0.63, abs=0.01)


def test_put_blends_by_the_mask() -> None:
    canvas = draw.flat(SIZE, draw.rgb(0, 0, 0))
    draw.put(canvas, np.full((SIZE, SIZE), 0.25, np.float32), draw.rgb(255, 255, 255))
    np.testing.assert_allclose(canvas, 0.25)


def test_gradient_runs_between_its_heights() -> None:
    column = draw.gradient(SIZE, draw.rgb(255, 0, 0), draw.rgb(0, 0, 255), 0.25, 0.75)[:, 0]
    np.testing.assert_allclose(column[: SIZE // 4], [[1, 0, 0]] * (SIZE // 4))
    np.testing.assert_allclose(column[-SIZE // 4 :], [[0, 0, 1]] * (SIZE // 4))
    assert (np.diff(column[:, 2]) >= 0).all()


def test_colours_cannot_be_changed_by_accident() -> None:
    with pytest.raises(ValueError, match="read-only"):
        draw.rgb(1, 2, 3)[0] = 0.5


def test_jitter_stays_close_and_in_range() -> None:
    rng = np.random.default_rng(0)
    moved = np.stack([draw.jitter(rng, draw.rgb(250, 128, 5), 0.1) for _ in range(200)])
    assert moved.min() >= 0
    assert moved.max() <= 1
    assert np.abs(moved - draw.rgb(250, 128, 5)).max() <= 0.1 * 1.6 + 1e-6


def test_profiles_stay_near_their_level() -> None:
    rng = np.random.default_rng(0)
    assert np.abs(draw.wave(rng, SIZE, 0.02, 1.0, 0.6) - 0.6).max() < 0.04
    peaks = draw.ridge(rng, SIZE, 0.6, 0.3, 6)
    assert 0.3 - 1e-6 <= peaks.min() < peaks.max() <= 0.6


def _red_sprite() -> np.ndarray:
    sprite = np.zeros((128, 128, 4), np.float32)
    sprite[20:, 20:108] = (0.9, 0.1, 0.1, 1)
    return sprite


def test_recolour_moves_the_hue_and_keeps_the_outline() -> None:
    changed = recolour(_red_sprite(), COLOURS["blue"])
    np.testing.assert_array_equal(changed[..., 3], _red_sprite()[..., 3])
    red, _, blue = changed[60, 60, :3]
    assert blue > 2 * red


@pytest.mark.parametrize("kind", PATTERNS)
def test_patterns_cover_a_part(kind: str) -> None:
    changed = pattern(_red_sprite(), np.random.default_rng(1), kind, COLOURS["white"])
    share = (changed != _red_sprite()).any(-1)[20:, 20:108].mean()
    assert 0.1 < share < 0.7


@pytest.mark.parametrize("look", [look for _, look, _ in WHOLE_PICTURE], ids=lambda look: look.__name__)
def test_whole_picture_looks_stay_in_range(look: Callable[[np.ndarray], np.ndarray]) -> None:
    canvas = np.random.default_rng(0).random((64, 64, 3)).astype(np.float32)
    looked = look(canvas)
    assert looked.shape == canvas.shape
    assert looked.min() >= 0
    assert looked.max() <= 1


def test_a_figure_uses_the_smallest_copy_that_is_large_enough() -> None:
    figure = Figure((_red_sprite() * 255).astype(np.uint8))
    assert [figure.at(pixels).width for pixels in (20, 34, 35, 72, 73, 200)] == [32, 32, 64, 64, 128, 128]


def test_the_head_is_at_the_top_of_the_sprite() -> None:
    head = Figure((_red_sprite() * 255).astype(np.uint8)).head
    assert head.top == pytest.approx(20 / 128)
    assert head.x == pytest.approx(0.5, abs=0.01)
    assert head.width == pytest.approx(87 / 128)
