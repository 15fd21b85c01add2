"""Does the model draw what a caption says? Class × context at random, judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sprites.judge_facts import class_right, context_right, without_object
from sprites.judge_model import Judge, a_noun
from sprites.judging import right_of_choices
from sprites.labels import write_labelled_sheet
from sprites.training.pool import to_tensor
from sprites.world.record import Record

CAPTION_SEED = 90_210
CHOICES = 100


@dataclass(frozen=True)
class Verdict:
    """What the judge says of pictures, bool [n] each."""

    caption: Tensor
    class_noun: Tensor
    context: Tensor

    def shares(self) -> dict[str, float]:
        """Shares in 0…1."""
        return {
            "right_of_100": self.caption.float().mean().item(),
            "class_right": self.class_noun.float().mean().item(),
            "context_right": self.context.float().mean().item(),
        }


def captions(judge: Judge, count: int) -> list[Record]:
    """Records of pictures to ask for: a hundred different pairs of class and context at a time."""
    rng = np.random.default_rng(CAPTION_SEED)
    nouns, contexts = judge.config.nouns, list(judge.config.contexts)
    records: list[Record] = []
    while len(records) < count:
        pairs = rng.permutation(len(nouns) * len(contexts))[:CHOICES]
        for noun, context in ((nouns[k // len(contexts)], contexts[k % len(contexts)]) for k in pairs):
            phrases = judge.config.contexts[context]
            phrase = phrases[int(rng.integers(len(phrases)))]
            records.append(Record(f"a photo of {a_noun(noun)} {phrase}", noun, "", context))
    return records[:count]


@torch.no_grad()
def judged(judge: Judge, pixels: NDArray[np.uint8], records: Sequence[Record]) -> Verdict:
    """The judge on pictures uint8 [n, S, S, 3] that were drawn for records."""
    pictures = to_tensor(pixels)
    right = right_of_choices(
        judge.embed_pictures(pictures),
        judge.embed_text([record.caption for record in records]),
        judge.embed_text([without_object(record) for record in records]),
        CHOICES,
    )
    named, placed = class_right(judge, pictures, records), context_right(judge, pictures, [r.context for r in records])
    return Verdict(right, named, placed)


def write_caption_sheet(
    path: Path, judge: Judge, pixels: NDArray[np.uint8], records: Sequence[Record], verdict: Verdict
) -> None:
    """Pictures over their captions; where the judge names another class, over that too."""
    names = [*judge.config.nouns, "nothing"]
    with torch.no_grad():
        said = judge.classify(to_tensor(pixels), judge.config.nouns).argmax(1).tolist()
    cells = []
    for k, record in enumerate(records):
        doubt = "" if verdict.class_noun[k] else f" [judge: {names[said[k]]}]"
        cells.append((record.caption + doubt, pixels[k]))
    write_labelled_sheet(path, cells)
