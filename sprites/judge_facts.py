"""How good the judge itself is: on real renders that nobody trained on, on what fools judges, on unseen subjects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sprites.art.store import Art
from sprites.judge_model import BLUR, Judge, a_noun
from sprites.judging import identify, pair_scores, prototypes, right_of_choices, roc_auc
from sprites.line_up import LineUp, line_ups
from sprites.training import corruption
from sprites.training.pool import to_tensor
from sprites.training.spoiling import blob, crumpled
from sprites.world.contexts import CONTEXTS
from sprites.world.figure import Figure
from sprites.world.plain import plain_scene
from sprites.world.record import Record
from sprites.world.settings import WorldSettings
from sprites.world.world import World

EXAM_SEED = 31_337
PICTURES = 500
Spoiler = Callable[[NDArray[np.uint8], np.random.Generator], NDArray[np.uint8]]
SPOILED: dict[str, Spoiler] = {"colour_matched": blob, "crumpled": crumpled}


@dataclass(frozen=True)
class Exam:
    """Real renders, renders of the same classes and contexts with spoiled figures, and line-ups."""

    pixels: Tensor
    records: tuple[Record, ...]
    spoiled: dict[str, Tensor]
    line_ups: tuple[LineUp, ...]

    @classmethod
    def of(cls, art: Art, settings: WorldSettings, split: str = "tuning", pictures: int = PICTURES) -> Exam:
        """The exam for a world; ``split`` says by which subjects."""
        world = World(art, settings)
        rendered = [world.render(EXAM_SEED, k) for k in range(pictures)]
        spoiled = {
            name: to_tensor(np.stack([spoiled_scene(world, k, kind) for k in range(pictures // 2)]))
            for name, kind in SPOILED.items()
        }
        shown = to_tensor(np.stack([p.pixels for p in rendered]))
        return cls(shown, tuple(p.record for p in rendered), spoiled, tuple(line_ups(world, split)))


def spoiled_scene(world: World, index: int, kind: Spoiler) -> NDArray[np.uint8]:
    """A spoiled figure of picture ``index``'s class in its context."""
    rng = np.random.default_rng([EXAM_SEED, 1, index])
    record = world.render(EXAM_SEED, index).record
    members = world.cast.members[record.class_noun]
    figure = Figure(kind(members[int(rng.integers(len(members)))].figure.pixels, rng))
    return plain_scene(rng, 64, figure, CONTEXTS[record.context], world.settings.span)


@torch.no_grad()
def examine(judge: Judge, exam: Exam) -> dict[str, float]:
    """All numbers by name, shares in 0…1."""
    records, nouns = exam.records, judge.config.nouns
    facts = {
        "right_of_100": retrieval(judge, exam.pixels, records),
        "class_right": class_right(judge, exam.pixels, records).float().mean().item(),
        "context_right": context_right(judge, exam.pixels, [r.context for r in records]).float().mean().item(),
    }
    for name, fooling in fooled(exam).items():
        right = [k for k, record in enumerate(records[: len(fooling)]) if record.class_noun in nouns]
        facts[f"class_right_{name}"] = class_right(judge, fooling, records[: len(fooling)]).float().mean().item()
        facts[f"forced_{name}"] = forced_class_right(judge, fooling[right], [records[k] for k in right])
    return {**facts, **verification(judge, exam.line_ups)}


def fooled(exam: Exam) -> dict[str, Tensor]:
    """Pictures of which only colours and places are left, by what was done to them."""
    rng = np.random.default_rng(EXAM_SEED)
    return {
        "mosaic": corruption.mosaic(exam.pixels),
        "blur": corruption.blur(exam.pixels),
        "shuffled": corruption.shuffle(exam.pixels, rng),
        **exam.spoiled,
    }


def retrieval(judge: Judge, pictures: Tensor, records: Sequence[Record]) -> float:
    """Share of pictures whose caption is the nearest of 100 and nearer than the same caption with a blur."""
    texts = judge.embed_text([record.caption for record in records])
    blurred = judge.embed_text([without_object(record) for record in records])
    return right_of_choices(judge.embed_pictures(pictures), texts, blurred).float().mean().item()


def without_object(record: Record) -> str:
    """The caption of a picture in which the object can't be made out."""
    return record.caption.replace(a_noun(record.class_noun), a_noun(BLUR))


def class_right(judge: Judge, pictures: Tensor, records: Sequence[Record]) -> Tensor:
    """Whether the class is the likeliest of all classes and the blur, bool [b]."""
    nouns = judge.config.nouns
    said = judge.classify(pictures, nouns).argmax(1).tolist()
    return torch.tensor([k < len(nouns) and nouns[k] == r.class_noun for k, r in zip(said, records, strict=True)])


def forced_class_right(judge: Judge, pictures: Tensor, records: Sequence[Record]) -> float:
    """The same when the judge has to name a class: what colours and places alone give away."""
    nouns = judge.config.nouns
    said = judge.classify(pictures, nouns)[:, :-1].argmax(1).tolist()
    return float(np.mean([nouns[k] == record.class_noun for k, record in zip(said, records, strict=True)]))


def context_right(judge: Judge, pictures: Tensor, names: Sequence[str]) -> Tensor:
    """Whether the context is the likeliest of all contexts, each by its likeliest phrase, bool [b]."""
    known = judge.config.contexts
    phrases = [(name, phrase) for name, phrases in known.items() for phrase in phrases]
    said = judge.contexts(pictures, [phrase for _, phrase in phrases]).argmax(1).tolist()
    return torch.tensor([phrases[k][0] == name for k, name in zip(said, names, strict=True)])


def identity(judge: Judge, pixels: np.ndarray) -> Tensor:
    """Identity vectors [..., d] of uint8 pictures [..., S, S, 3]."""
    flat = to_tensor(pixels.reshape(-1, *pixels.shape[-3:]))
    return judge.embed_identity(flat).view(*pixels.shape[:-3], -1)


def verification(judge: Judge, line_ups_: Sequence[LineUp]) -> dict[str, float]:
    """How well subjects are told from other members of their class.

    Two pictures (AUC over all pairs of all subjects), one picture against five photos (AUC), and who of ten it is.
    """
    pairs: list[tuple[Tensor, Tensor]] = []
    against: list[tuple[Tensor, Tensor]] = []
    named = []
    for one in line_ups_:
        known, asked = identity(judge, one.known), identity(judge, one.asked)
        pairs.append(pair_scores(asked))
        scores = asked @ prototypes(known)[0]
        against.append((scores[0], scores[1:].flatten()))
        named.append((identify(asked[0], known) == 0).float().mean())
    return {
        "auc_two_pictures": roc_auc(*(torch.cat(part) for part in zip(*pairs, strict=True))),
        "auc_five_photos": roc_auc(*(torch.cat(part) for part in zip(*against, strict=True))),
        "one_of_10": torch.stack(named).mean().item(),
    }
