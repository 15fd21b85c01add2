"""Speed and memory beside the diffusers script, and the time until something happens: `python -m benchmarks`."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from benchmarks.measure import FailedError, Measured, first_step, imports, python, run, seconds
from lorabooth import __version__

SCRIPT = Path("examples/dreambooth/train_dreambooth_lora.py")
RANK = 4
CLASS_IMAGES = 2


@dataclass(frozen=True)
class Case:
    """One training that both programs do: same model, pictures, size, batch, rank, optimizer, number format."""

    name: str
    title: str
    model: str
    photo: int
    """Side of the photos in pixels."""
    native: int
    """Side of the pictures that the model makes by itself."""
    size: int
    prior: bool
    steps: int
    warmup: int
    bar: float
    """How many times faster than the script lorabooth has to be."""
    reference: str
    """What the script took when it was measured before this benchmark was written, on another machine."""
    half_precision: bool = False
    """Measure lorabooth in bf16, too."""


SMALL, PHONE = 1024, 3464  # 1 and 12 megapixels
CASES = (
    Case("sd15", "SD 1.5's shape, 256 px, photo", "sd15", SMALL, 512, 256, False, 5, 1, 1.5, "8.7 s, 5.7 GB", True),
    Case("sd15-prior", "the same with class images", "sd15", SMALL, 512, 256, True, 4, 1, 1.5, "not measured"),
    Case(
        "embedded", "embedded size, 64 px, photo + class image", "embedded", SMALL, 64, 64, True, 60, 10, 2.0, "0.19 s"
    ),
    Case("embedded-phone", "the same, photos of 12 megapixels", "embedded", PHONE, 64, 64, True, 30, 5, 2.0, "0.19 s"),
)


@dataclass(frozen=True)
class Place:
    """The folder that everything is built and run in."""

    root: Path

    @property
    def environment(self) -> dict[str, str]:
        """No network, and a cache of its own."""
        return {"LORABOOTH_CACHE": str(self.root / "cache"), "HF_HUB_OFFLINE": "1"}

    def model(self, kind: str) -> Path:
        """A base model with random weights; built when first asked for."""
        folder = self.root / kind
        if not (folder / "model_index.json").exists():
            subprocess.run(python("benchmarks.models", "model", kind, folder), check=True, capture_output=True)
        return folder

    def pictures(self, name: str, count: int, size: int) -> Path:
        """A folder of pictures, ``size`` pixels wide."""
        folder = self.root / f"{name}-{size}"
        if not folder.exists():
            command = python("benchmarks.models", "pictures", folder, count, size)
            subprocess.run(command, check=True, capture_output=True)
        return folder

    def fresh(self, name: str) -> Path:
        """A name in the folder that nothing bears yet."""
        number = 0
        while (path := self.root / f"{name}-{number}").exists():
            number += 1
        return path


def ours(case: Case, place: Place, precision: str) -> list[str]:
    """`lorabooth train` for the case."""
    prior = [
        f"prior.images={CLASS_IMAGES}",
        "prior.steps=1",
        "prior.guidance_scale=1",
        f"prior.batch_size={CLASS_IMAGES}",
    ]
    return [
        *[
            "train",
            str(place.pictures("photos", 4, case.photo)),
            "--class-noun",
            "dog",
            "--base",
            str(place.model(case.model)),
        ],
        *["--steps", str(case.steps), "--output", str(place.fresh("run")), f"training.resolution={case.size}"],
        *[f"lora.rank={RANK}", "sampling.enabled=false", f"training.precision={precision}"],
        *(prior if case.prior else ["prior.weight=0"]),
    ]


def theirs(case: Case, place: Place) -> list[str]:
    """The arguments of the diffusers script for the case; everything not named here is as the script has it."""
    classes = place.pictures("classes", CLASS_IMAGES, case.native)  # as large as the script would draw them
    prior = ["--with_prior_preservation", "--class_data_dir", str(classes), "--class_prompt", "a photo of a dog"]
    return [
        *["--pretrained_model_name_or_path", str(place.model(case.model))],
        *[
            "--instance_data_dir",
            str(place.pictures("photos", 4, case.photo)),
            "--instance_prompt",
            "a photo of sks dog",
        ],
        *["--output_dir", str(place.fresh("script")), "--resolution", str(case.size), "--rank", str(RANK)],
        *["--train_batch_size", "1", "--max_train_steps", str(case.steps), "--learning_rate", "1e-4", "--seed", "0"],
        *["--lr_scheduler", "constant", "--lr_warmup_steps", "0", "--checkpointing_steps", "1000000"],
        *((*prior, "--num_class_images", str(CLASS_IMAGES)) if case.prior else ()),
    ]


def compared(case: Case, place: Place, script: Path | None) -> Iterator[str]:
    """The table's rows of one case, and what follows from them."""
    stamps = place.root / f"{case.name}.stamps"
    place.model(case.model)

    def ours_in(precision: str) -> Measured:
        command = python("benchmarks.run_ours", stamps, *ours(case, place, precision))
        return run(command, stamps, place.environment, case.warmup)

    if case.prior:  # draws the class images; the script is given some, too
        first_step(python("benchmarks.run_ours", stamps, *ours(case, place, "fp32")), stamps, place.environment)
    mine = ours_in("fp32")
    yield row(case.title, "lorabooth", mine)
    if case.half_precision:
        try:
            yield row("", "lorabooth, training.precision=bf16", ours_in("bf16"))
        except FailedError as error:
            yield f"| | lorabooth, training.precision=bf16 | {error} | | | | | |"
    if script is None:
        yield f"| | *diffusers script, earlier, on another machine* | *{case.reference}* | | | | | |"
        return
    command = python("benchmarks.run_peer", stamps, script, *theirs(case, place))
    other = run(command, stamps, place.environment, case.warmup)
    yield row("", "diffusers script", other)
    faster, memory = other.step / mine.step, mine.peak_training / other.peak_training
    verdict = "reached" if faster >= case.bar and memory < 1 else "MISSED"
    bar = f"at least {case.bar:g} × as fast with less memory: {verdict}"
    yield f"| | **{faster:.2f} × as fast, {memory:.2f} × the memory** | {bar} | | | | | |"


def row(title: str, program: str, m: Measured) -> str:
    """One line of the table."""
    numbers = [f"{m.step:.3f}", f"{m.step_overall:.3f}", f"{m.step_processor:.3f}", _gib(m.peak_training), _gib(m.peak)]
    return f"| {title} | {program} | {' | '.join(numbers)} | {m.first_step:.1f} |"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f}"


def waiting(place: Place) -> Iterator[str]:
    """How long somebody waits: for the help, and for the demo's first step."""
    helped = seconds(python("lorabooth", "--help"), 7)
    yield f"| `lorabooth --help` | {helped:.2f} s | 0.3 s | {'reached' if helped <= 0.3 else 'MISSED'} |"
    what = "`lorabooth demo`, from Enter to its first training step, class images exist"
    try:
        for _ in range(2):  # the first time draws the class images
            stamps = place.root / "demo.stamps"
            command = python("benchmarks.run_ours", stamps, "demo", "--output", place.fresh("demo"))
            waited = first_step(command, stamps, place.environment)
        yield f"| {what} | {waited:.1f} s | 8 s | {'reached' if waited <= 8 else 'MISSED'} |"
    except FailedError as error:
        yield f"| {what} | {error} | 8 s | |"


def imported(place: Place) -> Iterator[str]:
    """What `lorabooth train` imports until it has ended, by package."""
    case = Case("imports", "", "embedded", SMALL, 64, 64, True, 1, 0, 0, "")
    spent = imports("lorabooth", ours(case, place, "fp32"), place.environment)
    for name, took in spent.most_common(12):
        yield f"| {name} | {took:.2f} |"
    yield f"| all {len(spent)} packages | {spent.total():.2f} |"


def report(cases: list[Case], place: Place, script: Path | None) -> Iterator[str]:
    """The whole report, line by line as it becomes known."""
    yield "# Measured\n"
    threads = os.environ.get("OMP_NUM_THREADS", "as many")
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "diffusers", "transformers", "peft"))
    yield f"{_processor()}, {os.cpu_count()} cores, {threads} threads; lorabooth {__version__}, {versions}"
    yield f"Python {platform.python_version()}. How and what: README.md. Made by `python -m benchmarks`.\n"
    yield "## Training steps (fp32, batch 1, LoRA of rank 4 on attention, AdamW)\n"
    yield "| model and batch | program | s/step, median | s/step, wall clock | processor s/step | peak GiB, training | peak GiB, whole run | Enter to first step, s |"  # noqa: E501
    yield "|---|---|---|---|---|---|---|---|"
    for case in cases:
        yield from compared(case, place, script)
    yield "\n## Waiting\n\n| | takes | bar | |\n|---|---|---|---|"
    yield from waiting(place)
    yield "\n## Imports of `lorabooth train` (slowed down by measuring)\n\n| package | s |\n|---|---|"
    yield from imported(place)


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [x for x in info.read_text().splitlines() if x.startswith("model name")] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


def script_at(path: Path | None) -> Path | None:
    """The script itself, from its path or that of a diffusers checkout."""
    found = path / SCRIPT if path and path.is_dir() else path
    if found and not found.is_file():
        sys.exit(f"There is no {found}.")
    return found.resolve() if found else None


def main() -> None:
    """Measures, prints and writes the report."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--diffusers-script", type=Path, metavar="PATH", help=f"a diffusers checkout, or its {SCRIPT}")
    parser.add_argument("--cases", default=",".join(c.name for c in CASES), help="default: %(default)s")
    parser.add_argument(
        "--output", type=Path, default=Path(__file__).parent / "results.md", help="default: %(default)s"
    )
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="build models here and use them again next time")
    options = parser.parse_args()
    script = script_at(options.diffusers_script)
    wanted = [case for case in CASES if case.name in options.cases.split(",")]
    with tempfile.TemporaryDirectory(prefix="lorabooth-bench-") as temporary:
        root = options.keep.resolve() if options.keep else Path(temporary)
        root.mkdir(parents=True, exist_ok=True)
        lines = []
        for line in report(wanted, Place(root), script):
            print(line, flush=True)
            lines.append(line)
    options.output.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
