"""The command line: exit codes and sentences for bad input, and nothing half-written."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lorabooth.cli import main, parse_numbers, parse_seeds, parse_size
from lorabooth.errors import InputError

FAST = ["prior.images=2", "prior.steps=2", "prior.batch_size=2", "sampling.enabled=false", "--steps", "2"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for n in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), dtype=np.uint8)).save(folder / f"{n}.png")
    return folder


def run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as stop:
        return int(stop.code or 0)


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    assert run(*words) == code
    text = capsys.readouterr().err
    assert text
    assert "Traceback" not in text
    return text


def test_help_is_quick_and_loads_no_torch() -> None:
    script = "import sys; from lorabooth import cli; cli.build_parser().format_help(); print('torch' in sys.modules)"
    times = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
        times.append(time.monotonic() - started)
    assert done.stdout.strip() == "False"
    assert min(times) < 1.0


def test_training_writes_a_run_folder(photos: Path, tiny_sd: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert run("train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", out, *FAST) == 0
    assert {p.name for p in out.iterdir()} >= {"config.yaml", "events.jsonl", "checkpoints", "logs", "lora.safetensors"}


def test_no_usable_photo(tmp_path: Path, tiny_sd: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "none"
    folder.mkdir()
    (folder / "notes.txt").write_text("no photo")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff broken")
    out = tmp_path / "run"
    text = refused(capsys, "train", folder, "--class-noun", "dog", "--base", tiny_sd, "--output", out)
    assert "broken.jpg" in text
    assert not out.exists()


def test_missing_folder_and_missing_arguments(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "nowhere" in refused(capsys, "train", tmp_path / "nowhere", "--class-noun", "dog")
    assert "class noun" in refused(capsys, "train", tmp_path)
    assert "unrecognized" in refused(capsys, "train", tmp_path, "--class-noun", "dog", "--stepps", "3")


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        ("optimizer.learning_rate=-1", "learning_rate"),
        ("lora.rnk=4", "Did you mean `lora.rank`"),
        ("training.precision=fp8", "precision"),
        ("training.resolution=33", "multiple"),
        ("subject.identifier=a b", "identifier"),
        ("subject.instance_prompt=a photo of sks thing", "dog"),
        ("subject.instance_prompt=a photo of a dog", "sks"),
        ("objective.zero_terminal_snr=true", "epsilon"),
        ("optimizer.schedule=stairs", "schedule"),
        ("training.precision=fp16", "GPU"),
    ],
)
def test_options_that_can_not_be(
    option: str, expected: str, photos: Path, tiny_sd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    text = refused(capsys, "train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", out, *FAST, option)
    assert expected in text


def test_missing_model(photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for base in ("builtin:nothing", tmp_path / "no-model", tmp_path / "no.safetensors"):
        refused(capsys, "train", photos, "--class-noun", "dog", "--base", base, "--output", tmp_path / "run", *FAST)


def test_output_that_is_taken_or_impossible(
    photos: Path, tiny_sd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "letter.txt").write_text("keep me")
    text = refused(capsys, "train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", taken, *FAST)
    assert "not empty" in text
    assert (taken / "letter.txt").read_text() == "keep me"
    file = tmp_path / "file"
    file.write_text("")
    refused(capsys, "train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", file / "run", *FAST, code=3)


def test_long_identifier_is_noted_not_refused(
    photos: Path, tiny_sd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", tmp_path / "run", *FAST]
    assert run(*words, "--identifier", "qwertyuiopasdf") == 0
    assert "tokens" in capsys.readouterr().out


def test_generate_refuses_what_is_no_run_and_foreign_loras(
    photos: Path, tiny_sd: Path, tiny_sd2: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(capsys, "generate", tmp_path / "nowhere", "--prompt", "a dog")
    out = tmp_path / "run"
    assert run("train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", out, *FAST) == 0
    assert "no checkpoint" in refused(capsys, "generate", out, "--checkpoints", "77")
    assert "multiples" in refused(capsys, "generate", out, "--size", "33x32")
    assert "scheduler" in refused(capsys, "generate", out, "--scheduler", "magic")
    config = (out / "config.yaml").read_text()
    (out / "config.yaml").write_text(config.replace(str(tiny_sd), str(tiny_sd2)))
    assert "another model" in refused(capsys, "generate", out, "--prompt", "a dog", "--steps", "1")


def test_generate_draws_a_grid_and_the_plan_draws_it_again(
    photos: Path, tiny_sd: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    assert run("train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", out, *FAST) == 0
    words = [
        "--prompt",
        "a [identifier] dog",
        "--seeds",
        "0-1",
        "--checkpoints",
        "base,last",
        "--scales",
        "0,1",
        "--steps",
        "2",
    ]
    assert run("generate", out, *words) == 0
    folder = out / "generated"
    first = np.asarray(Image.open(folder / "grid.png"))
    assert run("generate", "--plan", folder / "grid.json", "--output", tmp_path / "again") == 0
    assert np.array_equal(first, np.asarray(Image.open(tmp_path / "again" / "grid.png")))
    assert len(list(folder.glob("*-sks-dog-*.png"))) == 6
    capsys.readouterr()


def test_full_disk_is_a_sentence_and_keeps_what_was_saved(photos: Path, tiny_sd: Path, tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    out = tmp_path / "run"
    words = ["train", photos, "--class-noun", "dog", "--base", tiny_sd, "--output", out, *FAST]
    command = [sys.executable, "-m", "lorabooth", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=limit, env=os.environ, check=False)
    assert done.returncode == 3, done.stderr
    assert "could not be written" in done.stderr
    assert "Traceback" not in done.stderr
    assert list((out / "checkpoints").iterdir()) == []


def test_parsers_of_lists() -> None:
    assert parse_seeds("0,2-4") == (0, 2, 3, 4)
    assert parse_numbers("0,0.5") == (0.0, 0.5)
    assert parse_size("512x768") == (512, 768)
    for wrong, parser in (("a", parse_seeds), ("x", parse_numbers), ("512", parse_size)):
        with pytest.raises(InputError):
            parser(wrong)
