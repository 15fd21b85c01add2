"""The judge: what it learns from, what it is asked, and that it travels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import normalize

from sprites import judge_facts
from sprites.art.store import Art
from sprites.judge_facts import Exam, examine, fooled
from sprites.judge_model import Judge, JudgeConfig, Words, a_noun
from sprites.line_up import line_up
from sprites.subjects import subjects
from sprites.training import judge as training
from sprites.training.corruption import blur, corrupt, mosaic, shuffle
from sprites.training.judge_data import Batch, JudgeData, Shape
from sprites.training.judge_losses import choice_loss, instance_loss
from sprites.training.run import Plan
from sprites.training.spoiling import blob, blocky, crumpled, melted, scrambled, spoil
from sprites.training.tokenizer import words
from sprites.training.variants import vary
from sprites.world.settings import WorldSettings

SHAPE = Shape(groups=2, members=2, spoiled=2, crushed=2)
TINY = {"channels": (16, 16, 16, 32), "blocks": (1, 1, 1), "width": 32, "text_width": 64, "text_layers": 1}


@pytest.fixture(scope="module")
def data(art: Art, small: WorldSettings) -> JudgeData:
    return JudgeData(art, small, SHAPE)


@pytest.fixture(scope="module")
def judge(data: JudgeData) -> Judge:
    torch.manual_seed(0)
    config = training.build(data, ["a"]).config
    return Judge(replace(config, **TINY), words()).eval()


@pytest.fixture(scope="module")
def sprite(art: Art) -> np.ndarray:
    return art.pixels[0]


# ---------------------------------------------------------------- corrupted pictures


def test_corruptions_keep_colours_and_lose_detail() -> None:
    pictures = torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for corrupted in (mosaic(pictures), blur(pictures)):
        assert corrupted.shape == pictures.shape
        assert torch.allclose(corrupted.mean((2, 3)), pictures.mean((2, 3)), atol=0.05)
        assert corrupted.std() < pictures.std() / 3
    assert mosaic(pictures)[0, 0].unique().numel() == 64


def test_shuffling_moves_pixels_and_loses_none() -> None:
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    moved = shuffle(pictures, np.random.default_rng(0))
    assert not torch.equal(moved, pictures)
    assert torch.equal(moved.flatten().sort().values, pictures.flatten().sort().values)


def test_corrupt_touches_every_picture() -> None:
    pictures = torch.rand(6, 3, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    for seed in range(6):
        corrupted = corrupt(pictures, np.random.default_rng(seed))
        assert (corrupted != pictures).flatten(1).any(1).all()


@pytest.mark.parametrize("kind", [melted, blocky, blob, scrambled, crumpled, spoil])
def test_spoiled_figures_keep_the_mean_colour(kind, sprite: np.ndarray) -> None:  # type: ignore[no-untyped-def]
    spoiled = kind(sprite, np.random.default_rng(3))
    assert spoiled.shape == sprite.shape
    assert spoiled.dtype == np.uint8
    assert np.abs(spoiled.astype(int) - sprite).mean() > 5

    def colour(pixels: np.ndarray) -> np.ndarray:
        opaque = pixels[..., 3:] / 255
        return (pixels[..., :3] * opaque).sum((0, 1)) / opaque.sum()

    assert np.abs(colour(spoiled) - colour(sprite)).max() < 40


def test_variants_are_many_and_keep_the_outline(sprite: np.ndarray) -> None:
    varied = [vary(sprite, np.random.default_rng(seed)) for seed in range(12)]
    assert len({picture.tobytes() for picture in varied}) == 12
    for picture in varied:
        assert picture.dtype == np.uint8
        assert np.mean((picture[..., 3] > 128) == (sprite[..., 3] > 128)) > 0.9


# ---------------------------------------------------------------- batches and losses


def test_batches_are_a_function_of_the_generator(data: JudgeData) -> None:
    one, two = (data.draw(np.random.default_rng(7)) for _ in range(2))
    assert np.array_equal(one.pixels, two.pixels)
    assert len(one.pixels) == SHAPE.pictures == 10
    assert one.instances.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, -1, -1]
    assert (one.nouns[-2:] == data.blur).all()
    assert (one.nouns[:4] == one.nouns[0]).all()
    assert np.array_equal(one.contexts[0:2], one.contexts[2:4])


def test_no_subject_is_ever_learned_from(data: JudgeData, art: Art) -> None:
    sources = {subject.source for subject in subjects(art)}
    learned = {art.sprites[row] for rows in data.rows for row in rows}
    assert learned
    assert not learned & sources
    assert not any(sprite.is_held for sprite in learned)


def test_questions_hold_the_right_answers_once(data: JudgeData) -> None:
    batch, rng = data.draw(np.random.default_rng(1)), np.random.default_rng(2)
    asked = training.Questions(data, batch.nouns, batch.contexts, rng)
    captions, named, placed = np.split(np.array(asked.texts), np.cumsum(asked.sizes)[:-1])
    assert len(set(named)) == len(named)
    assert len(placed) == len(data.contexts)
    for k in range(len(batch.nouns)):
        noun = a_noun(data.nouns[batch.nouns[k]])
        assert named[asked.right_noun[k]] == noun
        caption = captions[asked.right_caption[k]]
        assert noun in caption
        assert any(phrase in caption for phrase in data.contexts[batch.contexts[k]].phrases)


def test_losses_are_small_when_right_and_large_when_wrong() -> None:
    texts, sharp = torch.eye(4), torch.tensor(30.0)
    assert choice_loss(texts, texts, torch.arange(4), sharp) < 0.01
    assert choice_loss(texts, texts, torch.arange(4).roll(1), sharp) > 10
    pairs = torch.tensor([0, 0, 1, 1])
    right = torch.eye(4)[[0, 0, 1, 1]]
    assert instance_loss(right, pairs, sharp) < 0.01
    assert instance_loss(torch.eye(4)[[0, 1, 0, 1]], pairs, sharp) > 10
    even = normalize(torch.ones(4, 4), dim=1)
    assert instance_loss(even, pairs, sharp).item() == pytest.approx(np.log(3), abs=1e-4)


def test_a_few_steps_lower_the_loss(art: Art, small: WorldSettings) -> None:
    torch.manual_seed(0)
    data = JudgeData(art, small, SHAPE)
    model = Judge(replace(training.build(data, ["a"]).config, **TINY), words())
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    batch, losses = data.draw(np.random.default_rng(0)), []
    for _ in range(15):
        torch.manual_seed(1)
        loss = training.loss_of(model, data, batch, np.random.default_rng(0), torch.float32)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_a_run_that_broke_off_ends_where_an_undisturbed_one_ends(
    tmp_path: Path, art: Art, small: WorldSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = training.build
    tiny = lambda data, words: Judge(replace(build(data, words).config, **TINY), words)  # noqa: E731
    monkeypatch.setattr(training, "SHAPE", SHAPE)
    monkeypatch.setattr(training, "build", tiny)
    monkeypatch.setattr(training, "examine", lambda judge, exam: {})
    monkeypatch.setattr(training.Exam, "of", lambda *_: None)
    plan = Plan(4 * SHAPE.pictures, 60, lr=1e-3, batch=SHAPE.pictures, seed=1, save_every=0)
    assert training.train(art, small, words(), tmp_path / "one", plan)
    draw, drawn = JudgeData.draw, []

    def breaks(data: JudgeData, rng: np.random.Generator) -> Batch:
        drawn.append(1)
        if len(drawn) == 3:
            raise KeyboardInterrupt
        return draw(data, rng)

    monkeypatch.setattr(JudgeData, "draw", breaks)
    with pytest.raises(KeyboardInterrupt):
        training.train(art, small, words(), tmp_path / "two", plan)
    assert training.train(art, small, words(), tmp_path / "two", plan)
    assert len(drawn) == 5
    one, two = (Judge.load(tmp_path / name / training.FOLDER).state_dict() for name in ("one", "two"))
    assert all(torch.equal(one[key], two[key]) for key in one)


# ---------------------------------------------------------------- the model


def test_words_are_tokens() -> None:
    tokens = Words(["a", "dog", "upside-down"], 6)
    assert tokens(["A dog, upside-down sks", ""]).tolist() == [[1, 3, 4, 5, 2, 0], [1, 0, 0, 0, 0, 0]]
    assert tokens(["a a a a a a a a"]).tolist() == [[1, 3, 3, 3, 3, 3]]


def test_a_judge_comes_back_from_its_folder(tmp_path: Path, judge: Judge) -> None:
    judge.half().float()
    judge.save(tmp_path)
    again = Judge.load(tmp_path)
    assert again.config == judge.config
    pictures = torch.rand(3, 3, 64, 64) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(again.embed_pictures(pictures), judge.embed_pictures(pictures))
        torch.testing.assert_close(again.embed_identity(pictures), judge.embed_identity(pictures))
        torch.testing.assert_close(again.embed_text(["a dog", ""]), judge.embed_text(["a dog", ""]))
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "vocabulary.txt"}


def test_vectors_are_units_and_probabilities_sum_to_one(judge: Judge) -> None:
    pictures = torch.rand(3, 3, 96, 80) * 2 - 1
    with torch.no_grad():
        for vectors in (judge.embed_pictures(pictures), judge.embed_identity(pictures), judge.embed_text(["a cat"])):
            assert torch.allclose(vectors.norm(dim=1), torch.ones(len(vectors)), atol=1e-5)
        assert judge.classify(pictures, ["dog", "cat"]).shape == (3, 3)
        assert torch.allclose(judge.contexts(pictures, ["at night", "in the snow"]).sum(1), torch.ones(3), atol=1e-5)


def test_the_whole_judge_fits_in_15_megabytes(art: Art, small: WorldSettings) -> None:
    judge = training.build(JudgeData(art, small, SHAPE), words())
    assert sum(p.numel() for p in judge.parameters()) <= 5_000_000


def test_an_untrained_judge_knows_nothing(
    judge: Judge, art: Art, small: WorldSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judge_facts, "line_ups", lambda world, split: [line_up(world, subjects(world.art)[0], 0)])
    exam = Exam.of(art, small, "tuning", pictures=40)
    assert set(fooled(exam)) == {"mosaic", "blur", "shuffled", "colour_matched", "crumpled"}
    facts = examine(judge, exam)
    assert all(0 <= value <= 1 for value in facts.values())
    assert facts["right_of_100"] < 0.4
    assert facts["class_right"] < 0.6


def test_config_holds_what_the_world_shows(judge: Judge, small: WorldSettings) -> None:
    config: JudgeConfig = judge.config
    assert config.nouns == small.classes
    assert tuple(config.contexts) == small.contexts
