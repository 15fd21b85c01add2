"""Identifier and class noun → the prompt of each photo, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lorabooth.errors import InputError

if TYPE_CHECKING:
    from lorabooth.data.photos import Photo

RARE_TOKENS = ("sks", "ohwx", "zwx", "ukj", "phc", "olis", "hta")
"""Identifiers in use that are rare words to CLIP; which of them are one token is asked of the tokenizer."""

_PLACEHOLDER = re.compile(r"(?i:\[identifier\]|\[trigger\]|\{sks\})|(?<!\w)TOK(?!\w)")
_TRAILING_NUMBER = re.compile(r"\s*(\(\s*[0-9]+\s*\)|[0-9]+)\s*$")
_CAMERA_NAME = re.compile(r"img|dsc[fn]?|pxl|mvimg|gopr|dji|image|photo|picture|screenshot|untitled", re.IGNORECASE)


def instance_prompts(
    photos: Sequence[Photo],
    captions: Literal["prompt", "txt", "filename"],
    identifier: str,
    class_noun: str,
    instance_prompt: str,
) -> tuple[str, ...]:
    """The prompt of each photo, in the order of ``photos``.

    Args:
        photos: only their paths are looked at.
        captions: ``prompt`` gives all the ``instance_prompt``; ``txt`` takes the first line of ``STEM.txt`` beside the
            photo; ``filename`` takes the name without its number.
        identifier: put for ``[identifier]``, ``[trigger]``, ``{SKS}`` and ``TOK``; a caption without it receives it.
        class_noun: where a caption names it, the identifier goes before it.
        instance_prompt: the one in force, default included.

    Raises:
        InputError: names each photo without a caption, or each caption that is not UTF-8.
    """
    if captions == "prompt":
        return (fill(instance_prompt, identifier),) * len(photos)
    read = _from_text if captions == "txt" else _from_name
    return tuple(with_identifier(text, identifier, class_noun) for text in _all_captions(photos, read, captions))


def fill(prompt: str, identifier: str) -> str:
    """``prompt`` with the identifier in place of ``[identifier]`` (and what other tools write for it)."""
    return _PLACEHOLDER.sub(lambda _: identifier, prompt)


def with_identifier(caption: str, identifier: str, class_noun: str) -> str:
    """A caption that names the subject: `a dog on a sofa` → `a sks dog on a sofa`.

    Without the class noun in it, `sks dog, ` is put in front. A caption that has the identifier stays as it is, except
    that the identifier is spelled as configured (some text encoders tell capitals from small letters).
    """
    caption = fill(caption, identifier)
    caption, found = _word(identifier).subn(lambda _: identifier, caption)
    if found:
        return caption
    named, found = _word(class_noun).subn(lambda noun: f"{identifier} {noun[0]}", caption, count=1)
    return named if found else f"{identifier} {class_noun}, {caption}"


def check_prompts(
    prompts: Sequence[str], identifier: str, class_noun: str, class_prompt: str | None = None
) -> list[str]:
    """Warnings about the prompts of a run; ``class_prompt`` is None without prior preservation.

    ``prompts`` are those of ``instance_prompts``, or just the instance prompt.

    Raises:
        InputError: the identifier is no word of its own; a prompt lacks the identifier or all lack the class noun; the
            class prompt holds the identifier, so that the class images would be taken for the subject.
    """
    _check_word(identifier, class_noun)
    filled = [fill(prompt, identifier) for prompt in prompts]
    example = f"Write it as in: a photo of {identifier} {class_noun} (subject.instance_prompt, or the captions)."
    for prompt in filled:
        if not _word(identifier).search(prompt):
            raise InputError(_lacks("prompt", prompt, "identifier", identifier), example)
    nameless = [prompt for prompt in filled if not _word(class_noun).search(prompt)]
    if nameless and len(nameless) == len(filled):
        raise InputError(_lacks("prompt", nameless[0], "class noun", class_noun), example)
    warnings = [_lacks("caption", prompt, "class noun", class_noun) for prompt in dict.fromkeys(nameless)]
    return warnings + _check_class_prompt(class_prompt, identifier, class_noun)


def check_identifier(identifier: str, tokenizer: Any, class_noun: str | None = None) -> list[str]:
    """Warnings about the identifier as the text encoder will see it; ``tokenizer`` is one of transformers.

    Raises:
        InputError: the identifier holds a space, equals the class noun, or is nothing the tokenizer knows.
    """
    _check_word(identifier, class_noun)
    ids = _tokens(identifier, tokenizer)
    if not ids or tokenizer.unk_token_id in ids:
        raise InputError(
            f"This model's tokenizer does not know the identifier `{identifier}`.", _suggestion(identifier, tokenizer)
        )
    if len(ids) == 1:
        return []
    pieces = ", ".join(f"`{_shown(token)}`" for token in tokenizer.convert_ids_to_tokens(ids))
    return [
        f"The identifier `{identifier}` is {len(ids)} tokens for this model ({pieces}); one rare token is learned "
        f"faster and carries less meaning of its own. {_suggestion(identifier, tokenizer)}"
    ]


def _all_captions(photos: Sequence[Photo], read: Callable[[Path], str], mode: str) -> list[str]:
    """The caption of each photo; all that are missing are reported at once."""
    texts = [read(photo.path) for photo in photos]
    missing = [photo.path for photo, text in zip(photos, texts, strict=True) if not text]
    if not missing:
        return texts
    if mode == "txt":
        faults = [f"{_text_file(path).name}{' (empty)' * _text_file(path).exists()}" for path in missing]
        wanted = "Write one line into each, such as: a photo of a [identifier] dog on a sofa"
    else:
        faults = [path.name for path in missing]
        wanted = "Name each after what it shows, such as dog_on_a_sofa_1.jpg"
    raise InputError(
        f"{len(missing)} of {len(photos)} photos in {missing[0].parent} have no caption: {_several(faults)}.",
        f"{wanted}; or type subject.captions=prompt to use the instance prompt for all.",
    )


def _text_file(photo: Path) -> Path:
    """Where the caption of a photo lies."""
    return photo.with_suffix(".txt")


def _from_text(photo: Path) -> str:
    """The first line that is not blank in the text beside a photo, or nothing."""
    path = _text_file(photo)
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        return ""
    except UnicodeDecodeError as error:
        raise InputError(f"The caption {path} is not UTF-8 text.", "Save it again with the encoding UTF-8.") from error
    except OSError as error:
        raise InputError(f"The caption {path} can't be read ({error.strerror}).", "Check its permissions.") from error
    return next((line.strip() for line in lines if line.strip()), "")


def _from_name(photo: Path) -> str:
    """`dog_on-a_sofa_02 (1).jpg` → `dog on a sofa`; nothing for names that a camera gives."""
    text = re.sub(r"[\s_-]+", " ", photo.stem).strip()
    while (shorter := _TRAILING_NUMBER.sub("", text)) != text:
        text = shorter
    return "" if _CAMERA_NAME.fullmatch(text) else text


def _word(text: str) -> re.Pattern[str]:
    """Matches ``text`` as a word (or words) of its own, capitals or not."""
    words = r"\s+".join(re.escape(word) for word in text.split())
    return re.compile(rf"(?<!\w){words}(?!\w)", re.IGNORECASE)


def _check_word(identifier: str, class_noun: str | None) -> None:
    """The identifier is one word and not the class noun."""
    if not identifier or any(letter.isspace() for letter in identifier):
        raise InputError(
            f"The identifier is {identifier!r}, expected one word without spaces.",
            "Type subject.identifier=sks, and put the rest of the name into subject.class_noun.",
        )
    if class_noun is not None and not class_noun.strip():
        raise InputError("The class noun is blank.", "Type what the subject is, such as subject.class_noun=dog.")
    if class_noun is not None and identifier.casefold() == class_noun.strip().casefold():
        raise InputError(
            f"The identifier and the class noun are both `{identifier}`, so any {class_noun} would be the subject.",
            "Choose a rare word as identifier: type subject.identifier=sks.",
        )


def _check_class_prompt(class_prompt: str | None, identifier: str, class_noun: str) -> list[str]:
    """The class prompt names the class and not the subject."""
    if class_prompt is None:
        return []
    if _word(identifier).search(fill(class_prompt, identifier)):
        raise InputError(
            f"The class prompt `{class_prompt}` holds the identifier `{identifier}`, so other pictures would "
            "be learned as the subject.",
            f'Leave the identifier out: type prior.prompt="a photo of a {class_noun}".',
        )
    return (
        []
        if _word(class_noun).search(class_prompt)
        else [_lacks("class prompt", class_prompt, "class noun", class_noun)]
    )


def _lacks(what: str, prompt: str, part: str, word: str) -> str:
    return f"The {what} `{prompt}` lacks the {part} `{word}`."


def _several(names: Sequence[str], most: int = 10) -> str:
    """Names in a row, the rest counted."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _tokens(text: str, tokenizer: Any) -> list[int]:
    return list(tokenizer(text, add_special_tokens=False).input_ids)


def _shown(token: str) -> str:
    """A token without the marks of word ends and starts (CLIP, T5, GPT)."""
    return token.removesuffix("</w>").lstrip("▁Ġ")


def _suggestion(identifier: str, tokenizer: Any) -> str:
    """A rare word that is one token for this model."""
    good: Iterable[str] = (
        word
        for word in RARE_TOKENS
        if word != identifier and len(ids := _tokens(word, tokenizer)) == 1 and tokenizer.unk_token_id not in ids
    )
    found = next(iter(good), None)
    return f"Try subject.identifier={found}." if found else "Try a shorter word of two or three letters."
