"""The driver: turns the loop's steps into checkpoints, samples, logs and the result, as an iterator of events."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import torch

from lorabooth import __version__
from lorabooth.config import TrainConfig
from lorabooth.data.cache import digest
from lorabooth.data.dataset import DreamBoothDataset, Example
from lorabooth.errors import InputError, LoraboothError
from lorabooth.families import Family
from lorabooth.generation import Sampler, generate, requests
from lorabooth.grid import draw_grid, save_png
from lorabooth.lora.adapter import adapter_metadata
from lorabooth.lora.file import LoraFacts, write_lora
from lorabooth.training import setup
from lorabooth.training.checkpoint import prune, read_state, write_checkpoint
from lorabooth.training.engine import Engine
from lorabooth.training.events import CheckpointEvent, Event, FinishedEvent, SampleEvent, StartedEvent, WarningEvent
from lorabooth.training.folder import RunFolder, new_run
from lorabooth.training.loop import Trainer, train
from lorabooth.training.trackers import Trackers


class StopRequest:
    """Whether the user asked the run to stop after the current step (Ctrl-C or SIGTERM; twice means at once)."""

    def __init__(self) -> None:
        self.asked = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> StopRequest:
        """Takes over the signals, in the main thread only."""
        if threading.current_thread() is threading.main_thread():
            self._previous = {s: signal.signal(s, self._hear) for s in (signal.SIGINT, signal.SIGTERM)}
        return self

    def _hear(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __exit__(self, *_: object) -> None:
        """Gives the signals back."""
        for number, handler in self._previous.items():
            signal.signal(number, handler)


@dataclass
class Session:
    """One run in progress."""

    config: TrainConfig
    run: RunFolder
    family: Family
    trainer: Trainer
    engine: Engine

    def facts(self) -> LoraFacts:
        """What the LoRA file says of itself: no paths, no names of photos."""
        c = self.config
        plain = c.model_dump(
            mode="json", exclude={"output": True, "subject": {"photos"}, "prior": {"folder"}, "sampling": True}
        )
        return LoraFacts(
            identifier=c.subject.identifier,
            class_noun=c.subject.class_noun,
            prompt=c.subject.prompt,
            base=_public(c.model.base),
            base_fingerprint=self.family.fingerprint("denoiser"),
            step=self.trainer.step,
            version=__version__,
            config={**plain, "model": {**plain["model"], "base": _public(c.model.base)}},
        )

    @contextlib.contextmanager
    def result_weights(self) -> Iterator[None]:
        """Evaluation mode with the weights that will be handed over: the average where there is one.

        Training goes on from copies: schedule-free optimizers round when they swap their weights and swap back.
        """
        parameters = self.trainer.parameters
        copies = [parameter.detach().clone() for parameter in parameters]
        setup.set_training(self.trainer, False)
        if self.trainer.average:
            self.trainer.average.copy_to(parameters)
        try:
            yield
        finally:
            setup.set_training(self.trainer, True)
            for parameter, copy in zip(parameters, copies, strict=True):
                parameter.data.copy_(copy)

    def save_lora(self, path: Path) -> None:
        """Writes the LoRA file."""
        with self.result_weights():
            write_lora(path, self.trainer.adapter.state(), adapter_metadata(self.trainer.adapter), self.facts())

    def checkpoint(self) -> CheckpointEvent:
        """Writes a checkpoint, then deletes those beyond the number to keep."""
        state = {**self.trainer.state(), "inputs": self.inputs()}
        folder = write_checkpoint(self.run.checkpoints, self.trainer.step, state, self.save_lora)
        prune(self.run.checkpoints, self.config.output.keep_checkpoints)
        return CheckpointEvent(self.trainer.step, folder)

    def inputs(self) -> dict[str, str]:
        """What the steps depend on beside the config."""
        photos = digest(*((example.key, example.prompt) for example in self.trainer.dataset.instances))
        base, processes = self.family.fingerprint("denoiser"), str(self.engine.processes)
        return {"base model": base, "photos or captions": photos, "number of processes": processes}

    def resume(self, checkpoint: Path) -> None:
        """Goes on exactly where ``checkpoint`` was written.

        Raises:
            InputError: the checkpoint is damaged, or photos, model or processes are not those of the run.
        """
        state = read_state(checkpoint)
        now = self.inputs()
        changed = [name for name, value in state["inputs"].items() if now[name] != value]
        if changed:
            raise InputError(
                f"The {changed[0]} of {self.run.path} changed since it was started, so it would become another run.",
                "Put back what there was, or start a new run.",
            )
        self.trainer.load(state)

    @property
    def sample_file(self) -> Path:
        """Where the samples of this step lie."""
        return self.run.samples / f"step-{self.trainer.step:06d}.png"

    def sample(self) -> SampleEvent:
        """Draws the sample prompts with the weights as they are now; the same noise at every step."""
        s, size = self.config.sampling, setup.resolution_of(self.config, self.family)
        prompts = s.prompts or default_prompts(self.config)
        sampler = Sampler(s.steps, s.guidance_scale, s.scheduler, s.negative_prompt, size, size)
        with self.result_weights():
            pictures = list(generate(self.family, requests(prompts, s.seeds), sampler))
        if self.config.training.cache:
            self.family.free_encoders(keep_text=self.config.lora.text_encoder)
        rows = [pictures[i : i + len(s.seeds)] for i in range(0, len(pictures), len(s.seeds))]
        grid = draw_grid(
            rows,
            row_labels=list(prompts),
            column_labels=[f"seed {n}" for n in s.seeds],
            title=f"step {self.trainer.step}",
        )
        path = self.sample_file
        save_png(
            grid,
            path,
            {"prompts": "\n".join(prompts), "seeds": ", ".join(map(str, s.seeds)), "step": str(self.trainer.step)},
        )
        return SampleEvent(self.trainer.step, path)


def _public(base: str) -> str:
    return Path(base).name if Path(base).exists() else base


def default_prompts(config: TrainConfig) -> tuple[str, ...]:
    """What is drawn in training where nothing else was asked for."""
    prompt = config.subject.prompt
    return (prompt, f"{prompt} on the beach", f"{prompt} in the snow")


def run_training(config: TrainConfig, resumed: RunFolder | None = None) -> Iterator[Event]:
    """One whole run, from photos to `lora.safetensors`, in a new folder; or the rest of ``resumed``.

    Raises:
        InputError: something the user gave can't be used; said before weights are loaded where it can be.
        MachineError: disk full, out of memory, a loss that is no number.
    """
    started = time.monotonic()
    subject = setup.read_subject(config)
    yield from map(WarningEvent, subject.warnings)
    engine = Engine(config.training.precision)
    run = resumed or RunFolder(Path(engine.shared(lambda: str(new_run(config).path))))
    try:
        with StopRequest() as stop:
            yield from _whole_run(config, run, subject, engine, stop, started)
    except LoraboothError:
        if engine.is_main and not resumed:
            run.discard_unused()
        raise


def _whole_run(
    config: TrainConfig, run: RunFolder, subject: setup.Subject, engine: Engine, stop: StopRequest, started: float
) -> Iterator[Event]:
    family = setup.load_family(config, engine)
    yield from map(WarningEvent, setup.identifier_warnings(config, family))
    classes: list[Example] | None = None
    for item in setup.class_examples(config, family, engine, lambda: stop.asked):
        if isinstance(item, list):
            classes = item
        else:
            yield item
    if classes is None:
        yield FinishedEvent(0, run.lora, time.monotonic() - started, True)
        return
    dataset = DreamBoothDataset(
        subject.examples(), classes, config.training.seed, config.subject.crop, config.subject.flip
    )
    encoder = setup.encode(config, family, dataset)
    trainer = setup.build_trainer(config, family, dataset, encoder, engine)
    session = Session(config, run, family, trainer, engine)
    newest = run.newest_checkpoint()
    if newest:
        session.resume(newest)
    if engine.is_main:
        run.record(config)
        run.forget_after(trainer.step if newest else -1)
    setup.set_training(trainer, True)
    yield from _write(session, _started(session, len(classes)))
    yield from _drive(session, stop, started)


def _started(session: Session, class_images: int) -> StartedEvent:
    trainer = session.trainer
    return StartedEvent(
        run=session.run.path,
        step=trainer.step,
        steps=trainer.settings.steps,
        photos=len(trainer.dataset.instances),
        class_images=class_images,
        parameters=sum(p.numel() for p in trainer.parameters),
        device=setup.torch_threads_note(),
        precision=str(session.engine.dtype).removeprefix("torch."),
    )


def _write(session: Session, event: Event) -> Iterator[Event]:
    if session.engine.is_main:
        session.run.append(event)
    yield event


def _drive(session: Session, stop: StopRequest, started: float) -> Iterator[Event]:
    config, trainer, engine = session.config, session.trainer, session.engine
    last_saved, stopped = trainer.step, False
    with Trackers(session.run.path, config, trainer.step, active=engine.is_main) as trackers:
        if config.sampling.enabled and engine.is_main and not session.sample_file.exists():
            yield from _write(session, session.sample())
        for event in train(trainer):
            trackers.log(event)
            yield from _write(session, event)
            stopped = engine.any(stop.asked) and event.step < trainer.settings.steps
            if _due(config, event.step) or stopped:
                yield from _save(session, sample=not stopped)
                last_saved = event.step
            if stopped:
                break
    if not stopped and last_saved != trainer.step:
        yield from _save(session, sample=True)
    if engine.is_main and not stopped:
        session.save_lora(session.run.lora)
    engine.wait()
    yield from _write(session, FinishedEvent(trainer.step, session.run.lora, time.monotonic() - started, stopped))


def _due(config: TrainConfig, step: int) -> bool:
    return step % config.output.checkpoint_every == 0 and step >= config.output.checkpoint_from


def _save(session: Session, *, sample: bool) -> Iterator[Event]:
    if session.engine.is_main:
        yield from _write(session, session.checkpoint())
        if sample and session.config.sampling.enabled:
            yield from _write(session, session.sample())
    session.engine.wait()


def peak_memory() -> int:
    """Peak memory in bytes: of the GPU where there is one, else of the process."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
