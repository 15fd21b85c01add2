"""All checks in order, with a table, sheets and JSON."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lorabooth.generation import Request
from sprites.art.store import Art
from sprites.check import captions, subject
from sprites.check.bars import Bar, share, table, write_results
from sprites.check.model import Model
from sprites.errors import RecipeError
from sprites.judge_facts import Exam, examine, fooled
from sprites.judge_model import CONFIG, Judge
from sprites.line_up import LineUp, line_ups
from sprites.sheet import write_sheet
from sprites.training.autoencoder import psnr
from sprites.training.pool import to_tensor, to_uint8
from sprites.world.settings import WorldSettings
from sprites.world.world import World

PICTURE_SEED = 55_555
GENERATION_SEED = 1_000_000


@dataclass(frozen=True)
class Effort:
    """How much is measured."""

    captions: int = 300
    renders: int = 500
    subjects: int = 12
    photo_size: int = 64


QUICK = Effort(captions=100, renders=200, subjects=3)


@dataclass(frozen=True)
class Check:
    """A model and a judge against the bars; sheets and numbers go to ``folder``."""

    art: Art
    settings: WorldSettings
    model: Model
    judge: Judge
    folder: Path
    effort: Effort

    def run(self) -> tuple[list[Bar], dict[str, Any]]:
        """Every bar in the order of the issue, and all numbers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        bars: list[Bar] = []
        facts: dict[str, Any] = {"model": str(self.model.folder)}
        for part in (self.judge_itself, self.generated, self.autoencoder, self.learning, self.package):
            for result in part():
                if isinstance(result, Bar):
                    bars.append(result)
                    print(" · ".join(result.row()), flush=True)
                else:
                    facts.update(result)
            write_results(self.folder / "check.json", bars, facts)
        (self.folder / "check.txt").write_text(table(bars) + "\n", encoding="utf-8")
        return bars, facts

    def judge_itself(self) -> Iterator[Bar | dict[str, Any]]:
        """The judge on real renders, on what fools judges, on the report subjects."""
        exam = Exam.of(self.art, self.settings, "report", self.effort.renders)
        found = examine(self.judge, exam)
        rows = [to_uint8(exam.pixels[:12]), *(to_uint8(pictures[:12]) for pictures in fooled(exam).values())]
        write_sheet(self.folder / "judge.png", rows, zoom=2)
        yield share("judge: right caption of 100, real renders", found["right_of_100"], 0.95)
        yield share("judge: right class of all, real renders", found["class_right"], 0.90)
        yield share("judge: right context, real renders", found["context_right"], 0.90)
        for name in ("mosaic", "blur", "shuffled", "colour_matched", "crumpled"):
            what = f"judge: right class of all, {name.replace('_', '-')}"
            yield share(what, found[f"class_right_{name}"], 0.25, is_ceiling=True)
        yield Bar("judge: same or other member, AUC", found["auc_two_pictures"], 0.9, "")
        yield {"judge": found}

    def generated(self) -> Iterator[Bar | dict[str, Any]]:
        """Captions drawn and judged, and how fast."""
        records = captions.captions(self.judge, self.effort.captions)
        wanted = [Request(record.caption, GENERATION_SEED + k) for k, record in enumerate(records)]
        self.model.draw(wanted[:2])
        started = time.perf_counter()
        pixels = self.model.draw(wanted)
        speed = len(wanted) / (time.perf_counter() - started)
        verdict = captions.judged(self.judge, pixels, records)
        captions.write_caption_sheet(self.folder / "captions.png", self.judge, pixels[:100], records[:100], verdict)
        shares = verdict.shares()
        yield share("generated: right caption of 100", shares["right_of_100"], 0.70)
        yield share("generated: right class of all", shares["class_right"], 0.75)
        yield share("generated: right context", shares["context_right"], 0.90)
        yield Bar(f"generation, {self.model.sampler.steps} steps with guidance", speed, 4, "pictures/s")
        by_class: dict[str, list[bool]] = {noun: [] for noun in self.judge.config.nouns}
        for record, right in zip(records, verdict.class_noun.tolist(), strict=True):
            by_class[record.class_noun].append(right)
        rights = {noun: float(np.mean(right)) for noun, right in by_class.items() if right}
        yield {"generated": {**shares, "pictures": len(records), "class_right_by_class": rights}}

    def autoencoder(self) -> Iterator[Bar | dict[str, Any]]:
        """Reconstruction of unseen renders."""
        world = World(self.art, self.settings)
        pixels = np.stack([world.render(PICTURE_SEED, k).pixels for k in range(self.effort.renders)])
        shown = to_tensor(pixels)
        again = self.model.reconstruct(shown)
        pairs = [pixels[:12], to_uint8(again[:12]), pixels[12:24], to_uint8(again[12:24])]
        write_sheet(self.folder / "reconstruction.png", pairs, zoom=2)
        yield Bar("autoencoder on unseen renders", psnr(again, shown), 28, "dB")

    def learning(self) -> Iterator[Bar | dict[str, Any]]:
        """Report subjects, learned and judged."""
        rows: list[tuple[subject.Learned, dict[str, Any]]] = []
        for one in self.report_subjects():
            learned = subject.learn(self.model, one, self.folder / "runs" / one.subject.name)
            rows.append((learned, subject.measure(self.judge, learned)))
            print(rows[-1][1], flush=True)
            subject.write_subject_sheet(self.folder / "subjects.png", rows)
        measured = [facts for _, facts in rows]
        mean = subject.average(measured)
        yield share(f"{len(rows)} subjects: recognised among ten", mean["recognised"], 0.80)
        yield share("… with the asked context right", mean["context_right"], 0.70)
        yield Bar("… seconds of training, slowest", max(row["seconds"] for row in measured), 90, "s", is_ceiling=True)
        yield share("… recognised without the identifier", mean["bare_recognised"], 0.20, is_ceiling=True)
        yield {"subjects": measured, "subjects_mean": mean}

    def report_subjects(self) -> list[LineUp]:
        """Line-ups of the report subjects, evenly taken from all groups where not all are asked for."""
        everyone = line_ups(World(self.art, self.settings), "report", self.effort.photo_size)
        step = max(1, len(everyone) // self.effort.subjects)
        return everyone[::step][: self.effort.subjects]

    def package(self) -> Iterator[Bar | dict[str, Any]]:
        """Size and load time."""
        yield Bar("model folder", self.model.megabytes, 60, "MB", is_ceiling=True)
        yield Bar("load time", self.model.load_seconds, 2, "s", is_ceiling=True)


def load_judge(folder: Path) -> Judge:
    """The judge, or a sentence where there is none."""
    if not (folder / CONFIG).exists():
        raise RecipeError(f"{folder} holds no judge: make it with `python -m sprites make judge`")
    return Judge.load(folder)
