"""A stage of the recipe: a folder named by everything it depends on, finished or to be gone on with."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Stage:
    """``folder`` is named by ``name`` and a key over ``settings`` and the keys of the stages it needs."""

    name: str
    settings: dict[str, Any]
    needs: tuple[Stage, ...] = ()

    @property
    def key(self) -> str:
        """Ten hex digits over the settings and all that comes before."""
        text = json.dumps([self.name, self.settings, [stage.key for stage in self.needs]], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:10]

    def folder(self, work: Path) -> Path:
        """Where the stage lives under the work folder."""
        return work / f"{self.name}-{self.key}"

    def finished(self, work: Path) -> bool:
        """Whether the stage is done."""
        return (self.folder(work) / "done.json").exists()

    def finish(self, work: Path, **facts: Any) -> None:
        """Marks the stage as done, with what there is to say of it."""
        record = {"stage": self.name, "settings": self.settings, "needs": [s.key for s in self.needs], **facts}
        temporary = self.folder(work) / "done.tmp"
        temporary.write_text(json.dumps(record, indent=1))
        temporary.replace(self.folder(work) / "done.json")
