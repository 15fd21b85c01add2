"""Identifier and class noun, which the origin had only inside its two prompts."""

from __future__ import annotations

from collections.abc import Iterable

_FILLER = frozenset({"a", "an", "the", "photo", "picture", "image", "photograph", "of"})
_PREPOSITIONS = frozenset({"in", "on", "at", "with", "of", "by", "from", "under", "near", "wearing", "riding"})


def split_prompt(instance_prompt: str, class_prompt: str = "") -> tuple[str, str]:
    """The identifier and the class noun behind two prompts: `sks penguin`, `penguin` → (`sks`, `penguin`).

    The identifier is what only the instance prompt has, the noun what follows it in both. Where no noun follows in
    both, the identifier is one word. Without a class prompt the last two words of the instance prompt are taken.
    What can't be found is empty.
    """
    instance, klass = instance_prompt.split(), class_prompt.split()
    if not klass:
        words = _noun_phrase(instance)
        return (words[-2], words[-1]) if len(words) > 1 else ("".join(words), "")
    tail = _common(reversed(instance), reversed(klass))
    front = _common(instance[: len(instance) - tail], klass[: len(klass) - tail])
    only = [word for word in instance[front : len(instance) - tail] if word.lower() not in _FILLER]
    if not tail and only:
        only = only[-1:] if _noun_phrase(instance[:front]) else only[:1]
    noun = _noun_phrase(klass[len(klass) - tail :]) or _noun_phrase(klass)
    return " ".join(only).strip(", "), " ".join(noun).strip(", ")


def _common(left: Iterable[str], right: Iterable[str]) -> int:
    """How many words two sequences share from their start on."""
    count = 0
    for one, other in zip(left, right, strict=False):
        if one != other:
            break
        count += 1
    return count


def _noun_phrase(words: list[str]) -> list[str]:
    """The first words after `a photo of a`, up to a comma or a preposition."""
    start = next((i for i, word in enumerate(words) if word.lower() not in _FILLER), len(words))
    phrase: list[str] = []
    for word in words[start:]:
        if word.lower() in _PREPOSITIONS:
            break
        phrase.append(word)
        if word.endswith(","):
            break
    return phrase
