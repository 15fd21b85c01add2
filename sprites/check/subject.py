"""Does the model learn a subject from five photos? Trained by lorabooth's own trainer, judged in a line-up."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from lorabooth.api import train_events
from lorabooth.config import TrainConfig, build
from lorabooth.generation import requests
from lorabooth.training.events import Event, FinishedEvent, StartedEvent
from sprites.check.model import Model, recommended
from sprites.errors import RecipeError
from sprites.judge_facts import context_right, identity
from sprites.judge_model import Judge
from sprites.judging import identify
from sprites.labels import write_labelled_sheet
from sprites.line_up import SIX_NEW, LineUp
from sprites.training.pool import to_tensor
from sprites.world.contexts import CONTEXTS

SEEDS = (101, 102)
PLACES = [CONTEXTS[name].phrases[0] for name in SIX_NEW]


@dataclass(frozen=True)
class Learned:
    """What came of one subject: pictures of it and of its bare class, uint8 [12, S, S, 3], contexts outermost."""

    line_up: LineUp
    drawn: NDArray[np.uint8]
    bare: NDArray[np.uint8]
    seconds: float
    preparation: float
    """Seconds before the first step: class images, encoding."""


def learn(model: Model, line_up: LineUp, folder: Path, seeds: Sequence[int] = SEEDS) -> Learned:
    """Trains on the line-up's five photos and draws the new contexts, with and without the identifier."""
    shutil.rmtree(folder, ignore_errors=True)
    photos = folder / "photos"
    photos.mkdir(parents=True)
    for k, photo in enumerate(line_up.known[0]):
        Image.fromarray(photo).save(photos / f"{k}.png")
    config = config_for(model.folder, line_up.subject.class_noun, photos, folder / "run")
    lora, preparation, seconds = _timed(train_events(config))
    prompts = [f"{prompt} {place}" for prompt in (config.subject.prompt, config.class_prompt) for place in PLACES]
    pictures = model.draw_with(lora, requests(prompts, seeds))
    half = len(pictures) // 2
    return Learned(line_up, pictures[:half], pictures[half:], seconds, preparation)


def config_for(base: Path, class_noun: str, photos: Path, output: Path) -> TrainConfig:
    """The options that come with the model, on these photos."""
    places = {
        "model.base": str(base),
        "subject.photos": str(photos),
        "subject.class_noun": class_noun,
        "output.folder": str(output),
        "output.checkpoint_every": 10_000,
        "sampling.enabled": False,
    }
    return build(recommended(base), places)


def _timed(events: Iterable[Event]) -> tuple[Path, float, float]:
    """The LoRA file, and the seconds before and after the first step."""
    begun = started = time.perf_counter()
    for event in events:
        if isinstance(event, StartedEvent):
            started = time.perf_counter()
        elif isinstance(event, FinishedEvent) and not event.stopped:
            return event.lora, started - begun, time.perf_counter() - started
    raise RecipeError("the training of a subject was stopped")


@torch.no_grad()
def measure(judge: Judge, learned: Learned) -> dict[str, Any]:
    """Shares in 0…1: subject recognised among ten, right context, both; and both for the bare class."""
    names = [name for name in SIX_NEW for _ in range(len(learned.drawn) // len(SIX_NEW))]
    gallery = identity(judge, learned.line_up.known)
    recognised = identify(identity(judge, learned.drawn), gallery) == 0
    placed = context_right(judge, to_tensor(learned.drawn), names)
    subject = learned.line_up.subject
    return {
        "subject": subject.name,
        "group": subject.group,
        "recognised": recognised.float().mean().item(),
        "context_right": placed.float().mean().item(),
        "recognised_in_context": (recognised & placed).float().mean().item(),
        "bare_recognised": (identify(identity(judge, learned.bare), gallery) == 0).float().mean().item(),
        "bare_context_right": context_right(judge, to_tensor(learned.bare), names).float().mean().item(),
        "seconds": round(learned.seconds, 1),
        "preparation": round(learned.preparation, 1),
    }


def average(measured: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Means over subjects of everything that is a number."""
    keys = [key for key, value in measured[0].items() if isinstance(value, float)]
    return {key: float(np.mean([row[key] for row in measured])) for key in keys}


def write_subject_sheet(path: Path, rows: Sequence[tuple[Learned, dict[str, Any]]]) -> None:
    """Two lines a subject: photos and the subject drawn; two other members and the bare class drawn."""
    cells = []
    for learned, facts in rows:
        subject, step = learned.line_up.subject, len(learned.drawn) // len(SIX_NEW)
        said = f"{subject.name}: recognised {facts['recognised']:.0%}, context {facts['context_right']:.0%}"
        cells += [(said if k == 0 else "photo", photo) for k, photo in enumerate(learned.line_up.known[0])]
        cells += [
            (f"sks {subject.class_noun} {place}", p) for place, p in zip(PLACES, learned.drawn[::step], strict=True)
        ]
        cells += [("another of the class", learned.line_up.known[k, 0]) for k in range(1, 6)]
        cells += [(f"a {subject.class_noun} {place}", p) for place, p in zip(PLACES, learned.bare[::step], strict=True)]
    write_labelled_sheet(path, cells, columns=5 + len(SIX_NEW))
