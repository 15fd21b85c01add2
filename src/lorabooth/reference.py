"""The config reference, written from the config classes: ``python -m lorabooth.reference > docs/config.md``."""

from __future__ import annotations

import sys
from typing import Any

from pydantic import BaseModel

from lorabooth.config import TrainConfig, recommended

HEAD = """# Options

Every option may stand in a YAML file (`lorabooth train --config FILE`) or on the command line as
`section.key=value`; the command line wins. This page is written by `make docs` from the code.
"""


def config_reference() -> str:
    """All options as Markdown: one table a section, with default and meaning."""
    parts = [HEAD]
    suited = recommended("builtin:sprites")
    for name, field in TrainConfig.model_fields.items():
        section: Any = field.annotation
        assert issubclass(section, BaseModel)
        parts.append(f"## {name}\n\n{(section.__doc__ or '').strip()}\n\n| option | default | meaning |\n|---|---|---|")
        for key, option in section.model_fields.items():
            default = _shown(option.default)
            if key in suited.get(name, {}):
                default += f" (`builtin:sprites`: {_shown(suited[name][key])})"
            parts.append(f"| `{name}.{key}` | {default} | {(option.description or '').replace('|', '·')} |")
        parts.append("")
    return "\n".join(parts)


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if value == ():
        return "none"
    return f"`{', '.join(map(str, value)) if isinstance(value, tuple) else value}`"


if __name__ == "__main__":
    sys.stdout.write(config_reference())
