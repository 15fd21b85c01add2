"""The check's measures on cases whose answer is known."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from sprites import judge_facts
from sprites.art.store import Art
from sprites.check import captions, run, subject
from sprites.check.bars import Bar, share, table, write_results
from sprites.check.model import Model
from sprites.errors import RecipeError
from sprites.judge_facts import context_right, verification
from sprites.judge_model import JudgeConfig
from sprites.judging import identify, pair_scores, prototypes, right_of_choices, roc_auc
from sprites.line_up import SIX_NEW, LineUp, line_up, peers
from sprites.subjects import Subject, subjects
from sprites.training import judge as training
from sprites.training.judge_data import JudgeData, Shape
from sprites.training.pool import to_tensor
from sprites.training.tokenizer import words
from sprites.world.contexts import CONTEXTS
from sprites.world.record import Record
from sprites.world.settings import WorldSettings
from sprites.world.world import World


class Oracle:
    """A judge that reads a picture's first pixels: red is the class, green the context, blue the member."""

    def __init__(self, settings: WorldSettings) -> None:
        contexts = {name: CONTEXTS[name].phrases for name in settings.contexts}
        self.config = JudgeConfig(settings.classes, contexts)
        self.phrases = [p for phrases in contexts.values() for p in phrases]
        self.places = [name for name, phrases in contexts.items() for _ in phrases]

    def _read(self, pixels: Tensor) -> Tensor:
        return ((pixels[:, :, 0, 0] + 1) * 127.5).round().long()

    def _text(self, caption: str) -> Tensor:
        noun = next((k for k, noun in enumerate(self.config.nouns) if f" {noun}" in caption), 50)
        place = next((k for k, phrase in enumerate(self.phrases) if caption.endswith(phrase)), 0)
        return one_hot(torch.tensor([noun, 60 + list(self.config.contexts).index(self.places[place])]), 128).sum(0)

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        return normalize(torch.stack([self._text(text) for text in texts]).float(), dim=1)

    def embed_pictures(self, pixels: Tensor) -> Tensor:
        read = self._read(pixels)
        return normalize((one_hot(read[:, 0], 256)[:, :128] + one_hot(60 + read[:, 1], 512)[:, :128]).float(), dim=1)

    def classify(self, pixels: Tensor, nouns: Sequence[str]) -> Tensor:
        return one_hot(self._read(pixels)[:, 0].clamp(max=len(nouns)), len(nouns) + 1).float()

    def contexts(self, pixels: Tensor, phrases: Sequence[str]) -> Tensor:
        names = list(self.config.contexts)
        right = torch.tensor([names.index(place) for place in self.places])
        return (self._read(pixels)[:, 1:2] == right[None]).float()

    def embed_identity(self, pixels: Tensor) -> Tensor:
        return one_hot(self._read(pixels)[:, 2], 256).float()


@pytest.fixture(scope="module")
def world(art: Art, small: WorldSettings) -> World:
    return World(art, small)


@pytest.fixture(scope="module")
def oracle(small: WorldSettings) -> Oracle:
    return Oracle(small)


@pytest.fixture(scope="module")
def owl(art: Art) -> Subject:
    return subjects(art)[0]


def marked(noun: int, context: int, member: int = 0) -> np.ndarray:
    """A picture that says what it shows."""
    return np.broadcast_to(np.array([noun, context, member], np.uint8), (16, 16, 3))


def as_drawn(oracle: Oracle, records: Sequence[Record]) -> np.ndarray:
    """What a perfect model draws."""
    names = list(oracle.config.contexts)
    return np.stack([marked(oracle.config.nouns.index(r.class_noun), names.index(r.context)) for r in records])


# ---------------------------------------------------------------- captions


def test_captions_are_different_pairs_of_any_hundred(oracle: Oracle) -> None:
    records = captions.captions(oracle, 160)  # type: ignore[arg-type]
    assert len(records) == 160
    assert len({(r.class_noun, r.context) for r in records[:80]}) == 80
    assert records == captions.captions(oracle, 160)  # type: ignore[arg-type]


def test_a_perfect_model_scores_everything(oracle: Oracle) -> None:
    records = captions.captions(oracle, 80)  # type: ignore[arg-type]
    verdict = captions.judged(oracle, as_drawn(oracle, records), records)  # type: ignore[arg-type]
    assert verdict.shares() == {"right_of_100": 1.0, "class_right": 1.0, "context_right": 1.0}


def test_the_wrong_class_in_the_right_place_scores_only_contexts(oracle: Oracle) -> None:
    records = captions.captions(oracle, 80)  # type: ignore[arg-type]
    pixels = as_drawn(oracle, records).copy()
    pixels[..., 0] = (pixels[..., 0] + 1) % len(oracle.config.nouns)
    verdict = captions.judged(oracle, pixels, records)  # type: ignore[arg-type]
    assert verdict.shares() == {"right_of_100": 0.0, "class_right": 0.0, "context_right": 1.0}


def test_mush_is_no_class_and_no_caption(oracle: Oracle) -> None:
    records = captions.captions(oracle, 80)  # type: ignore[arg-type]
    pixels = as_drawn(oracle, records).copy()
    pixels[..., 0] = 50
    verdict = captions.judged(oracle, pixels, records)  # type: ignore[arg-type]
    assert verdict.shares()["class_right"] == 0
    assert verdict.shares()["right_of_100"] == 0


def test_noise_scores_chance(oracle: Oracle) -> None:
    records = captions.captions(oracle, 400)  # type: ignore[arg-type]
    rng = np.random.default_rng(0)
    pixels = np.stack([marked(int(rng.integers(5)), int(rng.integers(16))) for _ in records])
    shares = captions.judged(oracle, pixels, records).shares()  # type: ignore[arg-type]
    assert shares["class_right"] == pytest.approx(1 / 5, abs=0.07)
    assert shares["context_right"] == pytest.approx(1 / 16, abs=0.05)
    assert shares["right_of_100"] < 0.05


def test_a_caption_has_to_beat_the_others_and_the_blur() -> None:
    texts, blurred = torch.eye(6)[:3], torch.eye(6)[3:]
    assert right_of_choices(texts, texts, blurred).all()
    assert not right_of_choices(texts.roll(1, 0), texts, blurred).any()
    assert not right_of_choices(normalize(texts + 2 * blurred, dim=1), texts, blurred).any()
    assert right_of_choices(texts[[0, 0]], texts[[0, 0]], blurred[:2]).all()


# ---------------------------------------------------------------- subjects


def test_line_ups_hold_ten_different_members_in_shared_contexts(world: World, owl: Subject) -> None:
    shown = line_up(world, owl, 0, 24)
    assert shown.known.shape == (10, 5, 24, 24, 3)
    assert shown.asked.shape == (10, 6, 24, 24, 3)
    everyone = peers(world, owl)
    assert len({member.pixels.tobytes() for member in [owl, *everyone]}) == 10
    assert {member.class_noun for member in everyone} == {owl.class_noun}
    assert np.array_equal(shown.asked, line_up(world, owl, 0, 24).asked)


def test_auc_of_known_cases() -> None:
    assert roc_auc(torch.tensor([2.0, 3.0]), torch.tensor([0.0, 1.0])) == 1
    assert roc_auc(torch.tensor([0.0, 1.0]), torch.tensor([2.0, 3.0])) == 0
    assert roc_auc(torch.tensor([1.0, 1.0]), torch.tensor([1.0])) == 0.5
    assert roc_auc(torch.tensor([0.0, 2.0]), torch.tensor([1.0])) == 0.5


def test_identification_and_pairs_of_known_cases() -> None:
    members = torch.eye(10)[:, None].expand(10, 6, 10)
    assert torch.equal(identify(torch.eye(10), members), torch.arange(10))
    assert torch.equal(prototypes(members), torch.eye(10))
    same, between = pair_scores(members)
    assert same.shape == (30,)
    assert between.shape == (9 * 30,)
    assert same.min() == 1
    assert between.max() == 0


def learned_as(owl: Subject, drawn: np.ndarray, bare: np.ndarray) -> subject.Learned:
    """What would be measured when a training had drawn these pictures."""
    known = np.stack([np.stack([marked(0, 0, member)] * 5) for member in range(10)])
    asked = np.stack([np.stack([marked(0, 0, member)] * 6) for member in range(10)])
    return subject.Learned(LineUp(owl, known, asked), drawn, bare, 12.34, 5.0)


def test_subjects_drawn_right_score_everything(oracle: Oracle, owl: Subject) -> None:
    places = [list(oracle.config.contexts).index(name) for name in SIX_NEW for _ in range(2)]
    drawn = np.stack([marked(0, place, 0) for place in places])
    others = np.stack([marked(0, place, 1 + k % 9) for k, place in enumerate(places)])
    facts = subject.measure(oracle, learned_as(owl, drawn, others))  # type: ignore[arg-type]
    assert (facts["recognised"], facts["context_right"], facts["bare_recognised"]) == (1, 1, 0)
    facts = subject.measure(oracle, learned_as(owl, others, drawn))  # type: ignore[arg-type]
    assert (facts["recognised"], facts["context_right"], facts["bare_recognised"]) == (0, 1, 1)


def test_subjects_in_the_wrong_place_score_only_recognition(oracle: Oracle, owl: Subject) -> None:
    drawn = np.stack([marked(0, list(oracle.config.contexts).index("grass"), 0)] * 12)
    facts = subject.measure(oracle, learned_as(owl, drawn, drawn))  # type: ignore[arg-type]
    assert (facts["recognised"], facts["context_right"], facts["recognised_in_context"]) == (1, 0, 0)


def test_means_are_over_subjects() -> None:
    rows = [{"subject": "a", "recognised": 1.0, "seconds": 10.0}, {"subject": "b", "recognised": 0.0, "seconds": 20.0}]
    assert subject.average(rows) == {"recognised": 0.5, "seconds": 15.0}


def test_verification_of_known_cases(oracle: Oracle, owl: Subject) -> None:
    facts = verification(oracle, [learned_as(owl, marked(0, 0), marked(0, 0)).line_up])  # type: ignore[arg-type]
    assert facts == {"auc_two_pictures": 1.0, "auc_five_photos": 1.0, "one_of_10": 1.0}


def test_contexts_are_right_by_any_phrase(oracle: Oracle) -> None:
    names = list(oracle.config.contexts)
    pixels = to_tensor(np.stack([marked(0, k) for k in range(len(names))]))
    assert context_right(oracle, pixels, names).all()  # type: ignore[arg-type]


# ---------------------------------------------------------------- bars


def test_bars_say_whether_they_are_met() -> None:
    assert share("x", 0.7, 0.7).met
    assert not share("x", 0.699, 0.7).met
    assert share("x", 0.2, 0.2, is_ceiling=True).met
    assert not Bar("x", 61, 60, "MB", is_ceiling=True).met


def test_the_table_and_the_json_hold_every_bar(tmp_path: Path) -> None:
    bars = [share("right caption", 0.5, 0.7), Bar("size", 45.24, 60, "MB", is_ceiling=True)]
    lines = table(bars).splitlines()
    assert lines[1].split() == ["right", "caption", "≥", "70", "%", "50", "%", "NO"]
    assert lines[2].split() == ["size", "≤", "60", "MB", "45.2", "MB", "yes"]
    write_results(tmp_path / "check.json", bars, {"subjects": []})
    said = json.loads((tmp_path / "check.json").read_text())
    assert [bar["met"] for bar in said["bars"]] == [False, True]
    assert said["subjects"] == []


# ---------------------------------------------------------------- all of it

OPTIONS = """
lora: {rank: 2}
training: {steps: 2, batch_size: 1}
prior: {images: 2, batch_size: 2, steps: 2, guidance_scale: 2.0}
sampling: {steps: 2, guidance_scale: 2.0}
"""


@pytest.mark.slow
def test_every_bar_is_measured(
    tmp_path: Path, tiny_sd: Path, art: Art, small: WorldSettings, owl: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(tiny_sd, folder)
    (folder / "lorabooth.yaml").write_text(OPTIONS)
    for module in (judge_facts, run):
        monkeypatch.setattr(module, "line_ups", lambda world, *_: [line_up(world, owl, 0, 32)])
    judge = training.build(JudgeData(art, small, Shape()), words()).eval().requires_grad_(False)
    effort = run.Effort(captions=8, renders=12, subjects=1)
    check = run.Check(art, small, Model(folder), judge, tmp_path / "check", effort)
    bars, facts = check.run()
    assert len(bars) == 20
    assert facts["subjects"][0]["subject"] == "owl"
    assert facts["generated"]["pictures"] == 8
    written = {path.name for path in (tmp_path / "check").iterdir()}
    assert written > {"check.json", "check.txt", "captions.png", "judge.png", "reconstruction.png", "subjects.png"}


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no model folder"):
        Model(tmp_path)
    with pytest.raises(RecipeError, match="holds no judge"):
        run.load_judge(tmp_path)
