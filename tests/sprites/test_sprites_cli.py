"""The recipe's command line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sprites.__main__ import main


@pytest.mark.parametrize("command", ["world", "subjects", "sheet"])
def test_missing_art_is_one_sentence_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main(["--work", str(tmp_path), command]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "python -m sprites art" in said


def test_commands_do_not_need_torch() -> None:
    code = (
        "import sys, sprites.__main__ as m, sprites.subjects, sprites.world.pool\n"
        "m.parser().format_help()\n"
        "assert 'torch' not in sys.modules\n"
    )
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True)
