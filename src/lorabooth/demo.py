"""The demo: the bundled subject on the embedded base model, from photos to a grid, on any laptop."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml
from PIL import Image
from rich.console import Console

from lorabooth import families
from lorabooth.api import Adapted, draw_column, train_events
from lorabooth.config import TrainConfig, build
from lorabooth.errors import InputError
from lorabooth.generation import Sampler, requests
from lorabooth.grid import Panel, save_png, stack_grids
from lorabooth.progress import follow
from lorabooth.training.engine import Engine

BUNDLED = Path(__file__).parent / "builtin" / "demo"
CELL = 192  # px, three times the side of the embedded base model's pictures
CONTEXTS = ("on the beach", "in the snow", "in the jungle", "in the desert", "at night", "on a pink background")


def demo_config(output: Path, overrides: Sequence[str] = ()) -> TrainConfig:
    """The bundled subject's config."""
    values = yaml.safe_load((BUNDLED / "demo.yaml").read_text(encoding="utf-8"))
    values["subject"]["photos"] = str(BUNDLED / "photos")
    values["output"] = {"folder": str(output), **values.get("output", {})}
    return build(values, overrides)


def demo(output: Path, overrides: Sequence[str] = (), *, force: bool = False) -> int:
    """Trains, draws the grid of base | after training, and says what to look at.

    Raises:
        InputError: the folder exists and ``force`` is not given, or an option is wrong.
    """
    config = demo_config(output, overrides)
    if output.exists() and any(output.iterdir()):
        if not force:
            raise InputError(
                f"{output} already exists.", "Type lorabooth demo --force to replace it, or --output FOLDER."
            )
        if not (output / "config.yaml").exists():
            raise InputError(f"{output} is no run folder; --force only replaces runs.")
        shutil.rmtree(output)
    finished = follow(train_events(config))
    if finished.stopped:
        return 130
    grid = draw_demo_grid(config, finished.lora, output)
    for line in what_to_look_at(config, grid, output):
        Console().print(line, highlight=False, soft_wrap=True)
    return 0


def what_to_look_at(config: TrainConfig, grid: Path, output: Path) -> list[str]:
    """Where the grid lies, what its rows show, and what to type next."""
    noun, identifier = config.subject.class_noun, config.subject.identifier
    return [
        f"grid       {grid}",
        "1. Rows two and three are the same prompts and noise before and after training: "
        "the subject of the photos should appear, in the place asked for.",
        f"2. The last row asks for a {noun} without “{identifier}”: it should still be any {noun}. "
        "That is prior preservation.",
        f"3. Next: lorabooth generate {output} --prompt “{config.subject.prompt} in a room” "
        "or, for your own photos, lorabooth train PHOTOS --class-noun dog",
    ]


def draw_demo_grid(config: TrainConfig, lora: Path, output: Path) -> Path:
    """Three rows over the contexts: base, after training, and the bare class after training."""
    engine = Engine(config.training.precision)
    family = families.load(config.model.base, dtype=engine.dtype, device=engine.device)
    size, s = family.resolution, config.sampling
    sampler = Sampler(s.steps, s.guidance_scale, s.scheduler, s.negative_prompt, size, size)
    subject = [f"{config.subject.prompt} {place}" for place in CONTEXTS]
    bare = [f"{config.class_prompt} {place}" for place in CONTEXTS]
    seeds = (config.training.seed + 1,)
    before = draw_column(family, Adapted("base", None), requests(subject, seeds), sampler)
    after = draw_column(family, Adapted("after", lora), requests([*subject, *bare], seeds), sampler)
    count = len(CONTEXTS)
    photos = _photos(size)
    panels = [
        Panel([photos], ["the photos"], [""] * len(photos), f"{config.subject.prompt}: {config.training.steps} steps"),
        Panel(
            [before, after[:count], after[count:]],
            [
                f"before training: {config.subject.prompt} …",
                f"after training: {config.subject.prompt} …",
                f"after training: {config.class_prompt} …",
            ],
            [f"… {place}" for place in CONTEXTS],
        ),
    ]
    path = output / "grid.png"
    info = {"prompts": "\n".join([*subject, *bare]), "seed": str(seeds[0]), "base": config.model.base}
    save_png(stack_grids(panels, CELL), path, info)
    return path


def _photos(size: int) -> list[Image.Image]:
    pictures: list[Image.Image] = []
    for path in sorted((BUNDLED / "photos").glob("*.png")):
        with Image.open(path) as image:
            pictures.append(image.convert("RGB").resize((size, size), Image.Resampling.LANCZOS))
    return pictures
