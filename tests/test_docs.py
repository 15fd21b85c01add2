"""What the documents say is what the code does: commands parse, examples load, generated pages are fresh."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from lorabooth.cli import parse, train_config
from lorabooth.config import dump, load, option_names
from lorabooth.reference import config_reference

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
EXAMPLES = sorted((ROOT / "examples").rglob("*.yaml"))


def commands() -> list[str]:
    """Every `lorabooth …` line in a console block of the pages, and in the examples' comments."""
    found = []
    for page in PAGES:
        for block in re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.S):
            found += [line.strip() for line in block.splitlines() if line.startswith("lorabooth ")]
    for example in EXAMPLES:
        found += re.findall(r"^#\s+(lorabooth .*)$", example.read_text(encoding="utf-8"), re.M)
    return found


def test_enough_was_found() -> None:
    assert len(commands()) >= 20
    assert len(EXAMPLES) >= 4
    assert len(option_names()) <= 80


@pytest.mark.parametrize("command", commands())
def test_command_parses_and_its_options_exist(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    options = parse(shlex.split(command)[1:])
    if options.command == "train" and not options.resume and not options.from_args:
        assert train_config(options).subject.class_noun


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.name)
def test_example_loads_and_round_trips(example: Path, tmp_path: Path) -> None:
    config = load(example)
    again = tmp_path / "again.yaml"
    again.write_text(dump(config), encoding="utf-8")
    assert load(again) == config


def test_config_reference_is_fresh() -> None:
    assert (ROOT / "docs" / "config.md").read_text(encoding="utf-8") == config_reference(), "type make docs"


def test_every_option_is_explained() -> None:
    assert [name for name, field in option_names().items() if not field.description] == []


def test_links_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.name}: {target}")
    assert broken == []
