"""Trains the judge on renders of its own, drawn while it learns, and measures it on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from sprites.art.store import Art
from sprites.judge_facts import Exam, examine
from sprites.judge_model import Judge, JudgeConfig, a_noun, inverse_temperature
from sprites.training import judge_losses as losses
from sprites.training.corruption import corrupt
from sprites.training.judge_data import Batch, JudgeData, Shape
from sprites.training.optimizer import MasterOptimizer
from sprites.training.pool import to_tensor
from sprites.training.precision import best_device, fast_dtype
from sprites.training.run import Plan, Run
from sprites.world.settings import WorldSettings

SHAPE = Shape()
SEED = 5
FOLDER = "judge"  # of the averaged judge, inside the stage
CAPTIONS = 96  # captions that a picture's own one competes with
STRANGE_NOUNS = 16  # nouns from outside the world that a picture's own one competes with, beside all of the world's


def plan(total: int, minutes: float) -> Plan:
    """What has proved itself for the judge."""
    return Plan(total, minutes, lr=2e-3, batch=SHAPE.pictures, seed=SEED, warmup=3_000, decay=0.6, look_every=15.0)


def build(data: JudgeData, words: Sequence[str]) -> Judge:
    """An untrained judge for the data's nouns and contexts."""
    home = data.nouns[: data.home]
    return Judge(JudgeConfig(home, {name: data_phrases(data, name) for name in data.settings.contexts}), words)


def data_phrases(data: JudgeData, name: str) -> tuple[str, ...]:
    """What captions call a context."""
    return next(context.phrases for context in data.contexts if context.name == name)


def train(art: Art, settings: WorldSettings, words: Sequence[str], folder: Path, plan: Plan) -> bool:
    """Trains both towers and both heads; writes the averaged judge to ``folder/judge`` at every look."""
    device = best_device()
    dtype = fast_dtype(device)
    torch.manual_seed(plan.seed)
    data = JudgeData(art, settings, SHAPE)
    model: Any = build(data, words)
    model = model.to(device, memory_format=torch.channels_last)
    optimizer = MasterOptimizer(model, dtype, average=0.995)
    run = Run(folder, optimizer, plan)
    exam = Exam.of(art, settings)

    def step(rng: np.random.Generator, count: int) -> Tensor:
        torch.manual_seed(int(rng.integers(2**31)))
        return loss_of(optimizer.working, data, data.draw(rng), rng, dtype)

    def look() -> dict[str, Any]:
        facts = examine(optimizer.averaged, exam)
        judge: Judge = optimizer.averaged
        judge.config = replace(judge.config, facts={"pictures": run.seen, "seed": plan.seed, **facts})
        judge.save(folder / FOLDER)
        return facts

    return run.go(step, look)


def loss_of(judge: Judge, data: JudgeData, batch: Batch, rng: np.random.Generator, dtype: torch.dtype) -> Tensor:
    """Right caption, right noun, right context, and the other view of the same instance."""
    device, sharp = judge.sharpness.device, data.shape.sharp
    pictures = to_tensor(batch.pixels).to(device)
    again = rng.permutation(sharp)[: data.shape.crushed]
    crushed = corrupt(pictures[torch.from_numpy(again).to(device)], rng)
    x = torch.cat([soften(pictures, rng), crushed])
    nouns = np.concatenate([batch.nouns, np.full(len(again), data.blur)])
    contexts = np.concatenate([batch.contexts, batch.contexts[again]])
    seen, known = judge.picture(x.to(dtype, memory_format=torch.channels_last))
    questions = Questions(data, nouns, contexts, rng)
    texts = judge.text(judge.tokenize(questions.texts).to(device))
    captions, named, placed = texts.split(questions.sizes)
    sharpness = inverse_temperature(judge.sharpness)
    loss = losses.choice_loss(seen, captions, questions.right_caption.to(device), sharpness[0])
    loss = loss + losses.choice_loss(seen, named, questions.right_noun.to(device), sharpness[0])
    places = torch.from_numpy(batch.contexts).to(device)
    loss = loss + 0.5 * losses.choice_loss(seen[: len(places)], placed, places, sharpness[0])
    pairs = torch.from_numpy(batch.instances[:sharp]).to(device)
    return loss + losses.instance_loss(known[:sharp], pairs, sharpness[1])


class Questions:
    """The texts of one step (captions, nouns, contexts) and which of them are right."""

    def __init__(self, data: JudgeData, nouns: np.ndarray, contexts: np.ndarray, rng: np.random.Generator) -> None:
        own = list(zip(nouns.tolist(), contexts.tolist(), strict=True))
        keys = dict.fromkeys([*own, *((data.blur, context) for context in dict.fromkeys(contexts.tolist()))])
        while len(keys) < CAPTIONS:
            keys[data.any_noun(rng), data.any_context(rng)] = None
        column = {key: k for k, key in enumerate(keys)}
        strange = rng.integers(data.home, data.blur, STRANGE_NOUNS).tolist() if data.blur > data.home else []
        asked = list(dict.fromkeys([*range(data.home), data.blur, *nouns.tolist(), *strange]))
        captions = [data.caption(rng, noun, context) for noun, context in keys]
        named = [a_noun(data.nouns[noun]) for noun in asked]
        placed = list(data.phrases(rng))
        self.texts = [*captions, *named, *placed]
        self.sizes = [len(captions), len(named), len(placed)]
        self.right_caption = torch.tensor([column[key] for key in own])
        place = {noun: k for k, noun in enumerate(asked)}
        self.right_noun = torch.tensor([place[noun] for noun in nouns.tolist()])


def soften(pictures: Tensor, rng: np.random.Generator) -> Tensor:
    """What small models do to pictures: a little blur, noise, and other brightness, [b, 3, h, w]."""
    h, w = pictures.shape[-2:]
    some = torch.from_numpy(rng.random(len(pictures)) < 0.4).to(pictures.device)
    small = F.interpolate(pictures, size=int(rng.integers(h // 2, h)), mode="bilinear", antialias=True)
    soft = F.interpolate(small, size=(h, w), mode="bicubic", align_corners=False)
    x = torch.where(some.view(-1, 1, 1, 1), soft, pictures)
    shape = (len(x), 1, 1, 1)
    noise = torch.randn_like(x) * 0.15 * torch.rand(shape, device=x.device)
    gain = 1 + 0.08 * torch.randn(shape, device=x.device).clamp(-2, 2)
    return (x * gain + 0.05 * torch.randn(shape, device=x.device) + noise).clamp(-1, 1)
