"""A bar, whether it is met, and the table of all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Bar:
    """What was measured and what it has to reach: ``at_least``, or at most where ``is_ceiling``."""

    what: str
    measured: float
    bar: float
    unit: str = "%"
    is_ceiling: bool = False

    @property
    def met(self) -> bool:
        """Whether the bar is met."""
        return self.measured <= self.bar if self.is_ceiling else self.measured >= self.bar

    def row(self) -> tuple[str, str, str, str]:
        """What, bar, measured, met."""
        sign = "≤" if self.is_ceiling else "≥"
        return (
            self.what,
            f"{sign} {_number(self.bar)} {self.unit}",
            f"{_number(self.measured)} {self.unit}",
            ("yes" if self.met else "NO"),
        )


def share(what: str, measured: float, bar: float, *, is_ceiling: bool = False) -> Bar:
    """A bar on a share in 0…1, shown in percent."""
    return Bar(what, 100 * measured, 100 * bar, "%", is_ceiling)


def table(bars: Iterable[Bar]) -> str:
    """Lines of four columns under a heading."""
    rows = [("what", "bar", "measured", "met"), *(bar.row() for bar in bars)]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)


def write_results(path: Path, bars: Sequence[Bar], facts: dict[str, Any]) -> None:
    """All numbers as JSON, under a temporary name first."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    said = {"bars": [{**asdict(bar), "met": bar.met} for bar in bars], **facts}
    temporary.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _number(value: float) -> str:
    return f"{value:.0f}" if value == round(value) else f"{value:.1f}"
