"""A tokenizer with CLIP's interface whose small vocabulary holds every word of the world as one token."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from tokenizers import pre_tokenizers
from transformers import CLIPTokenizer

HERE = Path(__file__).resolve().parent.parent
MAX_LENGTH = 32
END_OF_WORD = "</w>"

Pair = tuple[str, str]


def words() -> list[str]:
    """The pinned vocabulary, wider than any one world, so that tokens keep their numbers when the world grows."""
    return (HERE / "words.txt").read_text().split()


def identifiers() -> list[str]:
    """Rare tokens that no caption uses, free to name a subject."""
    return (HERE / "identifiers.txt").read_text().split()


def byte_pairs(vocabulary: Sequence[str]) -> list[Pair]:
    """Byte-pair merges, most frequent first, until each word of ``vocabulary`` is one symbol (Sennrich et al. 2016).

    The ``tokenizers`` library breaks ties by chance; here by the alphabet, so that the recipe repeats.
    """
    spelled = [[*word[:-1], word[-1] + END_OF_WORD] for word in vocabulary]
    merges: list[Pair] = []
    while counts := Counter(pair for word in spelled for pair in pairwise(word)):
        best = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append(best)
        spelled = [_merged(word, best) for word in spelled]
    return merges


def _merged(word: list[str], pair: Pair) -> list[str]:
    out: list[str] = []
    for symbol in word:
        if out and (out[-1], symbol) == pair:
            out[-1] += symbol
        else:
            out.append(symbol)
    return out


def build(vocabulary: Sequence[str]) -> CLIPTokenizer:
    """A ``CLIPTokenizer`` in which each word of ``vocabulary`` is one token; other words fall into pieces, as in CLIP.

    Numbers: bytes, bytes at a word's end, merges in order, then start and end of text (the two largest, which CLIP's
    pooling relies on).
    """
    merges = byte_pairs(vocabulary)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    symbols = dict.fromkeys([*alphabet, *(a + END_OF_WORD for a in alphabet), *("".join(pair) for pair in merges)])
    numbers = {symbol: number for number, symbol in enumerate([*symbols, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=numbers, merges=merges, model_max_length=MAX_LENGTH)
