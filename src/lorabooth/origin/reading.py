"""The origin's JSON files as they are: trailing commas are read as meant, faults become sentences."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from lorabooth.errors import InputError

PLACEHOLDER = "{SKS}"
KINDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
_STRING_OR_COMMA = re.compile(r'"(?:\\.|[^"\\])*"|[\[{]\s*,|,(?=\s*[\]}])', re.DOTALL)


def read_object(path: Path) -> dict[str, Any]:
    """The names and values in a JSON file.

    Raises:
        InputError: the file is missing, no JSON, or no object.
    """
    try:
        value = json.loads(without_trailing_commas(path.read_text(encoding="utf-8-sig")), parse_constant=_no_constant)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}.") from error
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error}).") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}.") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} holds {type(value).__name__}, expected the origin's parameters by name.")
    return value


def without_trailing_commas(text: str) -> str:
    """JSON text with each comma before a closing bracket turned into a space; strings stay as they are.

    A comma right after an opening bracket stays: `[,]` is a fault, and no trailing comma.
    """
    return _STRING_OR_COMMA.sub(lambda match: " " if match[0] == "," else match[0], text)


def unknown_names(names: Iterable[str], known: Iterable[str], path: Path) -> Iterable[str]:
    """A sentence for each name that isn't known, with the nearest one that is."""
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            yield f"{path}: unknown parameter `{name}`.{hint}"


def fits(value: Any, kind: type) -> bool:
    """Whether a JSON value is of a kind; a whole number is a number too, `true` is none."""
    if kind is float:
        return type(value) in (int, float) and abs(value) < 1e300
    return type(value) is kind


def with_identifier(value: Any, identifier: str) -> Any:
    """The value with `{SKS}` replaced in it and in what it holds, as the origin's training notebook did."""
    if isinstance(value, str):
        return value.replace(PLACEHOLDER, identifier)
    if isinstance(value, list):
        return [with_identifier(item, identifier) for item in value]
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")
