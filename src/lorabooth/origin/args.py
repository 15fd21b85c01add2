"""An `args.json` of the origin → values for `config.build`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lorabooth.errors import InputError
from lorabooth.origin.flags import FLAGS, Given
from lorabooth.origin.reading import KINDS, fits, read_object, unknown_names, with_identifier
from lorabooth.origin.subject import split_prompt

_SECRET = frozenset({"hub_token"})


@dataclass(frozen=True)
class OriginArgs:
    """A parameter file in lorabooth's words: nested values for ``config.build``, and what the user should know."""

    values: dict[str, Any]
    notes: tuple[str, ...]


def read_args(path: Path, photo_count: int | None = None, identifier: str = "sks") -> OriginArgs:
    """Reads the parameters of a training of the origin, whole as it wrote them or cut down by hand.

    A parameter that isn't given, or is ``null``, has the origin's default where that decides the weights (a note
    lists them), else lorabooth's. Trailing commas are read as meant.

    Args:
        path: the file.
        photo_count: number of photos; needed only where the file gives no ``max_train_steps``.
        identifier: put in the place of ``{SKS}``, as the origin's notebook did.

    Raises:
        InputError: names every unknown parameter and every value of the wrong type at once.
    """
    named = read_object(path)
    faults = [*unknown_names(named, FLAGS, path), *_wrong_kinds(named, path)]
    if faults:
        raise InputError("\n".join(faults))
    parameters = {name: with_identifier(value, identifier) for name, value in named.items() if value is not None}
    given = Given(parameters, photo_count)
    subject = _subject(given)
    values: dict[str, Any] = {"subject": {key: text for key, text in subject.items() if text}}
    for name, flag in FLAGS.items():
        value = given.get(name)
        translated = flag.translate(value, given) if flag.option and value is not None else None
        if translated is not None:
            section, _, key = flag.option.partition(".")
            values.setdefault(section, {})[key] = translated
    return OriginArgs(values, (*_subject_notes(subject), *_notes(given)))


def _subject(given: Given) -> dict[str, str]:
    identifier, noun = split_prompt(given.get("instance_prompt", ""), given.get("class_prompt", ""))
    return {"identifier": identifier, "class_noun": noun}


def _subject_notes(subject: Mapping[str, str]) -> Iterable[str]:
    for key, text in subject.items():
        found = f"is `{text}`, read from the prompts" if text else "was not found in the prompts"
        yield f"subject.{key} {found}"


def _notes(given: Given) -> Iterable[str]:
    for name, flag in FLAGS.items():
        if flag.noted(given.parameters.get(name), given):
            yield f"{name}: {flag.remark}"
    filled = [f"{name}={flag.default}" for name, flag in FLAGS.items() if _is_filled(name, given)]
    if filled:
        yield f"not in the file, so as by default in the origin: {', '.join(filled)}"


def _is_filled(name: str, given: Given) -> bool:
    default = FLAGS[name].default
    return name not in given and default is not None and FLAGS[name].translate(default, given) is not None


def _wrong_kinds(named: Mapping[str, Any], path: Path) -> Iterable[str]:
    for name, value in named.items():
        if name in FLAGS and value is not None and not fits(value, FLAGS[name].kind):
            shown = type(value).__name__ if name in _SECRET else repr(value)
            yield f"{path}: `{name}` is {shown}, expected {KINDS[FLAGS[name].kind]}."
