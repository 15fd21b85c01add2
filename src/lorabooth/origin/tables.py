"""The tables of docs/origin.md: `python -m lorabooth.origin.tables` prints them."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable

from lorabooth.origin.flags import FLAGS
from lorabooth.origin.inference import INFERENCE_KEYS


def flags_table() -> str:
    """One row for each parameter of `train.py`."""
    rows = (
        (name, flag.option, "" if flag.default is None else json.dumps(flag.default), flag.remark)
        for name, flag in FLAGS.items()
    )
    return _table(("`train.py`", "lorabooth", "not given", "remark"), rows)


def inference_table() -> str:
    """One row for each key of `config_TAG.json`."""
    rows = ((key, field, remark) for key, (field, remark) in INFERENCE_KEYS.items())
    return _table(("`config_TAG.json`", "`OriginInference`", "remark"), rows)


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for *cells, remark in rows:
        lines.append(f"| {' | '.join(f'`{cell}`' if cell else '–' for cell in cells)} | {remark} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(f"{flags_table()}\n\n{inference_table()}\n")
