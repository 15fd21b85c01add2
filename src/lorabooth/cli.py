"""The command line: parses, calls the API, prints. Holds no logic."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorabooth import __version__
from lorabooth.errors import InputError, LoraboothError

if TYPE_CHECKING:
    from lorabooth.config import TrainConfig
    from lorabooth.training.events import Event

OVERRIDES = "options written section.key=value, for example training.steps=800 (all of them: docs/config.md)"


def build_parser() -> argparse.ArgumentParser:
    """All commands and flags."""
    parser = argparse.ArgumentParser(
        prog="lorabooth",
        description="Teach a text-to-image diffusion model one subject from a few photos, and show how good it got.",
    )
    parser.add_argument("--version", action="version", version=f"lorabooth {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser(
        "demo", help="learn the bundled subject on the embedded base model (under 3 minutes on 2 cores)"
    )
    demo.add_argument(
        "--output", type=Path, default=Path("runs/demo"), help="folder for the run and the grid (default: %(default)s)"
    )
    demo.add_argument("--force", action="store_true", help="replace the folder if it exists")
    demo.add_argument("options", nargs="*", metavar="section.key=value", help=OVERRIDES)

    train = commands.add_parser("train", help="learn a subject from a folder of photos")
    train.add_argument("photos", nargs="?", metavar="PHOTOS", help="folder with 3-10 photos of the subject")
    train.add_argument("--class-noun", help="what the subject is, such as dog")
    train.add_argument("--identifier", help="rare token that will name the subject (default: sks)")
    train.add_argument(
        "--base", help="base model: builtin:sprites, a Hub id, a diffusers folder or a .safetensors file"
    )
    train.add_argument("--steps", type=int, help="optimizer updates")
    train.add_argument("--output", type=Path, help="run folder (default: runs/CLASS_NOUN-N)")
    train.add_argument("--config", type=Path, help="YAML file with options")
    train.add_argument("--from-args", type=Path, metavar="FILE", help="args.json of amansyayf/Dreambooth_LoRA")
    train.add_argument("--resume", type=Path, metavar="RUN", help="go on with a run at its last checkpoint")
    train.add_argument("options", nargs="*", metavar="section.key=value", help=OVERRIDES)

    generate = commands.add_parser(
        "generate", help="draw prompts × seeds × checkpoints × LoRA scales, and one labelled grid"
    )
    generate.add_argument("run", nargs="?", type=Path, metavar="RUN", help="run folder")
    generate.add_argument(
        "--prompt",
        action="append",
        dest="prompts",
        metavar="TEXT",
        help="may be given several times; [identifier] and [class] are replaced",
    )
    generate.add_argument("--seeds", default="0", help="such as 0,1,2 or 0-4 (default: %(default)s)")
    generate.add_argument(
        "--checkpoints", default="last", help="base, last, all or step numbers, joined by commas (default: %(default)s)"
    )
    generate.add_argument("--scales", default="1", help="LoRA scales, joined by commas (default: %(default)s)")
    generate.add_argument("--steps", type=int, default=25, help="sampling steps (default: %(default)s)")
    generate.add_argument(
        "--guidance-scale", type=float, default=7.5, help="classifier-free guidance (default: %(default)s)"
    )
    generate.add_argument("--negative-prompt", default="", help="what the pictures shall not show")
    generate.add_argument(
        "--scheduler", default="dpmsolver++", help="dpmsolver++, ddim, ddpm, euler, euler_a, unipc, pndm, heun, lms"
    )
    generate.add_argument("--size", help="WIDTHxHEIGHT (default: the model's own)")
    generate.add_argument("--output", type=Path, help="folder for the pictures (default: RUN/generated)")
    generate.add_argument("--plan", type=Path, metavar="FILE", help="draw a saved grid.json again")
    generate.add_argument(
        "--from-config", type=Path, metavar="FILE", help="inference configuration of amansyayf/Dreambooth_LoRA"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; returns the exit code: 0 done, 2 wrong input, 3 a fault of the machine, 130 stopped."""
    options = parse(arguments)
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # torch: large pages on the CPU, a sixth of a big model's step
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    try:
        return {"demo": run_demo, "train": run_train, "generate": run_generate}[options.command](options)
    except LoraboothError as error:
        print(f"lorabooth: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("lorabooth: stopped.", file=sys.stderr)
        return 130
    except (MemoryError, RuntimeError) as error:
        if not isinstance(error, MemoryError) and "out of memory" not in str(error).lower():
            raise
        print("lorabooth: out of memory.\nLower training.batch_size or training.resolution.", file=sys.stderr)
        return 3


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Flags and section.key=value in any order."""
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments)
    strange = [word for word in rest if word.startswith("-") or "=" not in word]
    if strange or (rest and not hasattr(options, "options")):
        parser.error(f"unrecognized arguments: {' '.join(strange or rest)}")
    if rest:
        options.options = [*options.options, *rest]
    return options


def train_config(options: argparse.Namespace) -> TrainConfig:
    """Config file or origin's parameters, then flags, then section.key=value, each over the one before."""
    import yaml

    from lorabooth import config

    overrides = list(options.options)
    photos = options.photos
    if photos and "=" in photos and not Path(photos).exists():
        overrides, photos = [photos, *overrides], None
    flags: dict[str, Any] = {
        "subject.photos": photos,
        "subject.class_noun": options.class_noun,
        "subject.identifier": options.identifier,
        "model.base": options.base,
        "training.steps": options.steps,
        "output.folder": options.output and str(options.output),
    }
    given = [
        f"{k}={yaml.safe_dump(v, default_flow_style=True).splitlines()[0]}" for k, v in flags.items() if v is not None
    ]
    if options.from_args:
        from lorabooth.origin import read_args

        read = read_args(options.from_args)
        for note in read.notes:
            print(f"note: {note}", file=sys.stderr)
        return config.build(read.values, given + overrides)
    if options.config is None and not (photos and options.class_noun):
        raise InputError(
            "Training needs photos and a class noun.",
            "Type lorabooth train PHOTOS --class-noun dog, or --config FILE, or --resume RUN.",
        )
    return config.load(options.config, given + overrides)


def run_train(options: argparse.Namespace) -> int:
    """`lorabooth train`."""
    if options.resume:
        from lorabooth.api import resume_events

        overrides = ([options.photos] if options.photos else []) + list(options.options)
        if options.steps:
            overrides.append(f"training.steps={options.steps}")
        return show(resume_events(options.resume, overrides))
    config = train_config(options)
    from lorabooth.api import train_events

    return show(train_events(config))


def show(events: Iterator[Event]) -> int:
    """Shows a run on the terminal; 130 when the user stopped it."""
    from lorabooth.progress import follow

    finished = follow(events)
    return 130 if finished.stopped else 0


def run_demo(options: argparse.Namespace) -> int:
    """`lorabooth demo`."""
    from lorabooth.demo import demo

    return demo(options.output, options.options, force=options.force)


def run_generate(options: argparse.Namespace) -> int:
    """`lorabooth generate`."""
    from lorabooth.api import generate, load_plan

    if options.plan:
        plan = load_plan(options.plan)
        folder = options.output or options.plan.parent / "again"
    else:
        plan, folder = _plan(options)
    print(f"{generate(plan, folder).grid}")
    return 0


def _plan(options: argparse.Namespace) -> tuple[Any, Path]:
    from lorabooth.api import plan_for_run
    from lorabooth.training.folder import RunFolder

    if options.run is None:
        raise InputError(
            "generate needs a run folder or --plan FILE.",
            "Type lorabooth generate runs/dog-1 --prompt “a photo of a [identifier] dog”.",
        )
    subject = RunFolder(options.run).config().subject
    values: dict[str, Any] = {
        "prompts": tuple(options.prompts or [subject.prompt]),
        "seeds": parse_seeds(options.seeds),
        "steps": options.steps,
        "guidance_scale": options.guidance_scale,
        "negative_prompt": options.negative_prompt,
        "scheduler": options.scheduler,
    }
    if options.size:
        values["width"], values["height"] = parse_size(options.size)
    checkpoints, scales = options.checkpoints.split(","), parse_numbers(options.scales)
    if options.from_config:
        from lorabooth.origin import read_inference

        origin = read_inference(options.from_config)
        values |= {
            "prompts": origin.prompts,
            "negative_prompt": origin.negative_prompt,
            "seeds": origin.seeds,
            "steps": origin.steps,
            "guidance_scale": origin.guidance_scales[0],
            "scheduler": origin.scheduler,
        }
        scales = origin.scales
    fill = {"[identifier]": subject.identifier, "{SKS}": subject.identifier, "[class]": subject.class_noun}
    values["prompts"] = tuple(_filled(p, fill) for p in values["prompts"])
    return plan_for_run(options.run, checkpoints, scales, **values), options.output or options.run / "generated"


def _filled(prompt: str, values: dict[str, str]) -> str:
    for name, value in values.items():
        prompt = prompt.replace(name, value)
    return prompt


def parse_seeds(text: str) -> tuple[int, ...]:
    """`0,1,5-7` → 0, 1, 5, 6, 7."""
    try:
        ranges = [part.split("-") for part in text.split(",")]
        return tuple(n for r in ranges for n in range(int(r[0]), int(r[-1]) + 1))
    except ValueError as error:
        raise InputError(
            f"--seeds {text} is no list of numbers.", "Type for example --seeds 0,1,2 or --seeds 0-4."
        ) from error


def parse_numbers(text: str) -> tuple[float, ...]:
    """`0,0.5,1` → numbers."""
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError as error:
        raise InputError(f"{text} is no list of numbers.", "Type for example --scales 0,0.5,1.") from error


def parse_size(text: str) -> tuple[int, int]:
    """`512x768` → width, height."""
    try:
        width, height = (int(side) for side in text.lower().replace("×", "x").split("x"))
    except ValueError as error:
        raise InputError(f"--size {text} is no size.", "Type for example --size 512x768.") from error
    return width, height
