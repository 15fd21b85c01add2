"""What stands at a position of the stream is a function of (seed, position) and nothing else."""

from __future__ import annotations

from collections import Counter
from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as some
from PIL import Image

from lorabooth.data.dataset import DreamBoothDataset, Example, positions_of
from lorabooth.randomness import derived_seed, generator


def examples(count: int, prefix: str = "p") -> list[Example]:
    return [Example(f"{prefix}{n}", f"prompt of {prefix}{n}", lambda: Image.new("RGB", (8, 8))) for n in range(count)]


def dataset(photos: int = 5, classes: int = 0, seed: int = 0, **options: Any) -> DreamBoothDataset:
    return DreamBoothDataset(examples(photos), examples(classes, "c"), seed, **options)


def test_seeds_differ_by_seed_position_and_purpose() -> None:
    made = [derived_seed(s, p, w) for s in range(5) for p in range(50) for w in ("noise", "timestep", "dropout")]
    assert len(set(made)) == len(made)
    assert all(0 <= m < 2**63 for m in made)
    assert derived_seed(1, 23, "x") != derived_seed(12, 3, "x")
    assert derived_seed(0, 7, "noise/instance") == 4422093413562930626  # runs of older versions stay resumable


def test_generators_are_apart_from_the_global_state() -> None:
    torch.manual_seed(0)
    one = torch.rand(3, generator=generator(3, 14, "noise"))
    before = torch.get_rng_state()
    assert one.equal(torch.rand(3, generator=generator(3, 14, "noise")))
    assert torch.get_rng_state().equal(before)


@given(photos=some.integers(1, 12), seed=some.integers(0, 2**63 - 1), epoch=some.integers(0, 1000))
def test_every_photo_once_an_epoch(photos: int, seed: int, epoch: int) -> None:
    stream = dataset(photos, seed=seed)
    keys = [stream.draw(epoch * photos + place, "instance").example.key for place in range(photos)]
    assert sorted(keys) == sorted(f"p{n}" for n in range(photos))


def test_class_images_have_epochs_of_their_own() -> None:
    stream = dataset(3, 7)
    for epoch in range(3):
        keys = {stream.draw(epoch * 7 + place, "class").example.key for place in range(7)}
        assert len(keys) == 7


def test_orders_differ_between_epochs_seeds_and_kinds() -> None:
    def order(seed: int, epoch: int, kind: Any) -> tuple[str, ...]:
        stream = dataset(8, 8, seed=seed)
        return tuple(stream.draw(epoch * 8 + place, kind).example.key[1:] for place in range(8))

    assert len({order(s, e, k) for s in range(3) for e in range(3) for k in ("instance", "class")}) == 18


def test_draws_can_be_asked_for_in_any_order() -> None:
    one, two = (dataset(4, 3, crop="random", flip=True) for _ in range(2))
    backwards = [two.draw(p, "instance") for p in reversed(range(40))][::-1]
    for ours, theirs in zip([one.draw(p, "instance") for p in range(40)], backwards, strict=True):
        assert (ours.example.key, ours.augmentation) == (theirs.example.key, theirs.augmentation)


def test_flips_and_crops_are_spread_evenly_and_only_over_photos() -> None:
    stream = dataset(4, 4, crop="random", flip=True)
    drawn = [stream.draw(p, "instance").augmentation for p in range(1800)]
    assert all(150 <= n <= 250 for n in Counter(a.window for a in drawn).values())
    assert len({a.window for a in drawn}) == 9
    assert 800 <= sum(a.flip for a in drawn) <= 1000
    assert {stream.draw(p, "class").augmentation.window for p in range(50)} == {(0.5, 0.5)}
    assert not any(stream.draw(p, "class").augmentation.flip for p in range(50))


def test_flip_and_crop_do_not_change_each_other() -> None:
    both, crop, flip = (dataset(crop=c, flip=f) for c, f in (("random", True), ("random", False), ("center", True)))
    for p in range(50):
        together = both.draw(p, "instance").augmentation
        assert together.window == crop.draw(p, "instance").augmentation.window
        assert together.flip == flip.draw(p, "instance").augmentation.flip


def test_class_images_follow_their_photos_in_a_batch() -> None:
    batch = dataset(5, 3).micro_batch(range(4, 8))
    assert [d.kind for d in batch] == ["instance"] * 4 + ["class"] * 4
    assert [d.position for d in batch] == [4, 5, 6, 7] * 2
    assert [d.kind for d in dataset(5).micro_batch(range(2))] == ["instance"] * 2


@given(batch=some.integers(1, 5), accumulation=some.integers(1, 5), processes=some.integers(1, 5))
def test_positions_are_partitioned_exactly(batch: int, accumulation: int, processes: int) -> None:
    def positions(step: int) -> list[int]:
        return [
            position
            for micro in range(accumulation)
            for rank in range(processes)
            for position in positions_of(
                step, micro, rank, batch_size=batch, accumulation=accumulation, processes=processes
            )
        ]

    taken = [position for step in range(4) for position in positions(step)]
    assert taken == list(range(4 * batch * accumulation * processes))


def test_a_step_takes_the_same_positions_however_it_is_shared_out() -> None:
    def step(batch: int, accumulation: int, processes: int) -> set[int]:
        shared = {"batch_size": batch, "accumulation": accumulation, "processes": processes}
        places = [(m, r) for m in range(accumulation) for r in range(processes)]
        return {p for m, r in places for p in positions_of(3, m, r, **shared)}

    assert step(8, 1, 1) == step(1, 8, 1) == step(1, 1, 8) == step(2, 2, 2) == set(range(24, 32))
