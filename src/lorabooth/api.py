"""The public functions behind the commands."""

from __future__ import annotations

import itertools
import json
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from lorabooth import families
from lorabooth.config import TrainConfig
from lorabooth.errors import InputError
from lorabooth.files import write_text
from lorabooth.generation import Sampler, check_size, requests
from lorabooth.generation import generate as draw
from lorabooth.grid import draw_grid, save_png
from lorabooth.lora.file import check_fits, read_lora
from lorabooth.training.checkpoint import LORA, checkpoint_steps
from lorabooth.training.engine import Engine
from lorabooth.training.events import Event, FinishedEvent
from lorabooth.training.folder import RunFolder, resumed_config
from lorabooth.training.run import run_training

BASE = "base"


@dataclass(frozen=True)
class TrainResult:
    """What a finished run left."""

    run: Path
    lora: Path
    step: int
    seconds: float
    stopped: bool


def train(config: TrainConfig) -> TrainResult:
    """Runs the whole of one training and returns where its result lies.

    Raises:
        InputError: photos, options or model can't be used.
        MachineError: disk full, out of memory.
    """
    return _result(train_events(config))


def train_events(config: TrainConfig) -> Iterator[Event]:
    """The same as an iterator of events, for those who want to watch."""
    yield from run_training(config)


def resume_events(run: Path, overrides: Sequence[str] = ()) -> Iterator[Event]:
    """Goes on with a run at its last checkpoint."""
    folder = RunFolder(run)
    yield from run_training(resumed_config(folder, list(overrides)), folder)


def _result(events: Iterator[Event]) -> TrainResult:
    last = deque(events, maxlen=1).pop()
    if not isinstance(last, FinishedEvent):
        raise InputError("The run ended without a result.")
    return TrainResult(last.lora.parent, last.lora, last.step, last.seconds, last.stopped)


@dataclass(frozen=True)
class Adapted:
    """One column of a grid: a LoRA file (none: the base model) at a scale."""

    label: str
    file: Path | None
    scale: float = 1.0


@dataclass(frozen=True)
class GridPlan:
    """Everything that decides a grid; saved beside it, it draws the same grid again."""

    base: str
    prompts: tuple[str, ...]
    seeds: tuple[int, ...] = (0,)
    loras: tuple[Adapted, ...] = ()
    steps: int = 25
    guidance_scale: float = 7.5
    scheduler: str = "dpmsolver++"
    negative_prompt: str = ""
    width: int | None = None
    height: int | None = None
    precision: str = "auto"
    revision: str | None = None
    variant: str | None = None
    prediction: str | None = None
    zero_terminal_snr: bool = False
    title: str = ""


@dataclass(frozen=True)
class GeneratedGrid:
    """Pictures by (column, prompt, seed), and where they were saved."""

    grid: Path
    pictures: tuple[Path, ...] = field(default=())


def plan_for_run(run: Path, checkpoints: Sequence[str], scales: Sequence[float], **options: Any) -> GridPlan:
    """A plan whose columns are a run's result or checkpoints (`base`, `last`, `all`, step numbers) × LoRA scales.

    Raises:
        InputError: no run folder, or it has no such checkpoint.
    """
    folder = RunFolder(run)
    config = folder.config()
    found = {str(step): path / LORA for step, path in checkpoint_steps(folder.checkpoints).items()}
    if folder.lora.exists():
        found["last"] = folder.lora
    elif found:
        found["last"] = list(found.values())[-1]
    wanted = [
        name
        for asked in checkpoints
        for name in ((BASE, *(k for k in found if k != "last")) if asked == "all" else (asked,))
    ]
    columns: list[Adapted] = []
    for name in wanted:
        if name == BASE:
            columns.append(Adapted("base model", None))
        elif name not in found:
            raise InputError(f"{run} has no checkpoint {name!r}; it has {', '.join(found) or 'none'}.")
        else:
            label = "LoRA" if name == "last" else f"step {name}"
            columns += [
                Adapted(label if scale == 1 else f"{label} × {scale:g}", found[name], scale) for scale in scales
            ]
    model = config.model
    return GridPlan(
        base=model.base,
        loras=tuple(columns),
        revision=model.revision,
        variant=model.variant,
        prediction=model.prediction_type,
        zero_terminal_snr=config.objective.zero_terminal_snr,
        **options,
    )


def load_plan(path: Path) -> GridPlan:
    """Reads a saved plan.

    Raises:
        InputError: the file is no plan.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        loras = tuple(
            Adapted(a["label"], Path(a["file"]) if a["file"] else None, a["scale"]) for a in values.pop("loras")
        )
        for key in ("prompts", "seeds"):
            values[key] = tuple(values[key])
        return GridPlan(loras=loras, **values)
    except FileNotFoundError as error:
        raise InputError(f"There is no plan {path}.") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is no grid plan: {error}.", "Plans are written as grid.json by lorabooth generate."
        ) from error


def generate(plan: GridPlan, folder: Path, *, singles: bool = True) -> GeneratedGrid:
    """Draws the plan's pictures and one labelled grid into ``folder``, with `grid.json` beside them.

    Rows are prompts × seeds, columns LoRA files × scales; the same seed gives every cell of its row the same noise.
    """
    engine = Engine(plan.precision)
    family = families.load(
        plan.base,
        revision=plan.revision,
        variant=plan.variant,
        prediction=plan.prediction,
        dtype=engine.dtype,
        device=engine.device,
        zero_terminal_snr=plan.zero_terminal_snr,
    )
    width, height = plan.width or family.resolution, plan.height or family.resolution
    check_size(family, width, height)
    sampler = Sampler(plan.steps, plan.guidance_scale, plan.scheduler, plan.negative_prompt, width, height)
    wanted = requests(plan.prompts, plan.seeds)
    loras = plan.loras or (Adapted("base model", None),)
    columns = [draw_column(family, adapted, wanted, sampler) for adapted in loras]
    pictures: list[Path] = []
    if singles:
        for adapted, column in zip(loras, columns, strict=True):
            info = _picture_info(plan, adapted)
            for request, picture in zip(wanted, column, strict=True):
                name = f"{_slug(adapted.label)}-{_slug(request.prompt)}-{request.seed}"
                pictures.append(_free(folder / f"{name}.png", pictures))
                save_png(picture, pictures[-1], {"prompt": request.prompt, "seed": str(request.seed), **info})
    rows = [list(row) for row in zip(*columns, strict=True)]
    several = len(plan.seeds) > 1
    labels = [f"{r.prompt} · seed {r.seed}" if several else r.prompt for r in wanted]
    grid = draw_grid(
        rows,
        row_labels=labels,
        column_labels=[adapted.label for adapted in loras],
        title=plan.title,
    )
    save_png(grid, folder / "grid.png", {"plan": plan_text(plan)})
    write_text(folder / "grid.json", plan_text(plan))
    return GeneratedGrid(folder / "grid.png", tuple(pictures))


def _picture_info(plan: GridPlan, adapted: Adapted) -> dict[str, str]:
    return {
        "base": plan.base,
        "lora": adapted.label,
        "lora_scale": str(adapted.scale),
        "lora_sha256": _digest(adapted.file),
        "steps": str(plan.steps),
        "guidance_scale": str(plan.guidance_scale),
        "scheduler": plan.scheduler,
        "negative_prompt": plan.negative_prompt,
    }


def _free(path: Path, taken: Sequence[Path]) -> Path:
    """The path, numbered where another picture of this grid has it."""
    names = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return path if path not in taken else next(name for name in names if name not in taken)


def plan_text(plan: GridPlan) -> str:
    """The plan as JSON."""
    return json.dumps(asdict(plan), indent=1, default=str, ensure_ascii=False)


def draw_column(
    family: families.Family, adapted: Adapted, wanted: Sequence[Any], sampler: Sampler
) -> list[Image.Image]:
    """All requests with one LoRA file at one scale; the family is left as it was.

    Raises:
        InputError: the file is no LoRA, or one of another base model.
    """
    if adapted.file is None:
        return list(draw(family, wanted, sampler))
    _, facts = read_lora(adapted.file)
    check_fits(facts, family.source.name, family.fingerprint("denoiser"), adapted.file)
    pipeline = family.pipeline()
    try:
        _load_lora(pipeline, adapted.file, family.source.name)
        pipeline.set_adapters(["drawn"], [adapted.scale])
        return list(draw(family, wanted, sampler))
    finally:
        pipeline.unload_lora_weights()


def _load_lora(pipeline: Any, file: Path, base: str) -> None:
    try:
        pipeline.load_lora_weights(file.parent, weight_name=file.name, adapter_name="drawn", local_files_only=True)
    except (ValueError, RuntimeError, KeyError) as error:
        raise InputError(f"{file} does not load on {base}: {str(error).splitlines()[0]}") from error


def _slug(text: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())[:60]


def _digest(path: Path | None) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest() if path else ""
