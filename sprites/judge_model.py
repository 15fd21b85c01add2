"""The judge: a picture tower with two heads (caption space, identity space) and a text tower that meets the first.

Needs torch and safetensors alone, and no other module of the recipe, so that it can travel.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 64
BLUR = "blur"
"""The noun for pictures in which no object can be made out."""
_PAD, _START, _UNKNOWN, _FIRST_WORD = 0, 1, 2, 3
CONFIG, WEIGHTS, VOCABULARY = "config.json", "model.safetensors", "vocabulary.txt"


@dataclass(frozen=True)
class JudgeConfig:
    """Shape of a judge and what it knows; ``facts`` is for the reader (training, accuracy)."""

    nouns: tuple[str, ...]
    contexts: dict[str, tuple[str, ...]]
    """Phrases by the name of a context."""
    channels: tuple[int, int, int, int] = (48, 96, 192, 256)
    blocks: tuple[int, int, int] = (2, 2, 1)
    width: int = 128
    text_width: int = 192
    text_layers: int = 2
    length: int = 24
    facts: dict[str, Any] = field(default_factory=dict)


class Words:
    """One token a word; words outside the vocabulary share one number."""

    def __init__(self, words: Sequence[str], length: int) -> None:
        self.words, self.length = list(words), length
        self._numbers = {word: _FIRST_WORD + k for k, word in enumerate(self.words)}

    def __len__(self) -> int:
        return _FIRST_WORD + len(self.words)

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Texts → numbers [n, length], cut or padded."""
        rows = torch.full((len(texts), self.length), _PAD)
        for row, text in zip(rows, texts, strict=True):
            found = [self._numbers.get(word, _UNKNOWN) for word in re.findall(r"[a-z0-9-]+", text.lower())]
            numbers = [_START, *found][: self.length]
            row[: len(numbers)] = torch.tensor(numbers)
        return rows


class Block(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut; with ``stride`` 2 the first one stands alone and halves the side."""

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inside, outside, 3, stride, 1), nn.GroupNorm(16, outside), nn.SiLU())
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1), nn.GroupNorm(16, outside))
        self.halves = stride == 2

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] → [b, d, h / stride, w / stride]."""
        y = self.first(x)
        return F.silu((y if self.halves else x) + self.second(y))


class Gaze(nn.Module):
    """Looks at a grid of features from ``looks`` learned points of view: weighted means, wherever the subject is."""

    def __init__(self, channels: int, looks: int, width: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, looks, 1)
        self.out = nn.Linear(channels * looks, width)

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] → [b, width]."""
        weights = self.score(x).flatten(2).softmax(-1)  # [b, looks, h·w]
        return cast(Tensor, self.out((weights @ x.flatten(2).transpose(1, 2)).flatten(1)))


class PictureTower(nn.Module):
    """64 × 64 pictures → two unit vectors each; the caption head sees the whole last grid, so that place counts."""

    def __init__(self, config: JudgeConfig) -> None:
        super().__init__()
        first = config.channels[0]
        layers: list[nn.Module] = [nn.PixelUnshuffle(2), nn.Conv2d(12, first, 3, 1, 1), nn.SiLU()]
        inside = first
        for outside, count in zip(config.channels[1:], config.blocks, strict=True):
            layers += [Block(inside, outside, 2), *(Block(outside, outside) for _ in range(count - 1))]
            inside = outside
        self.body = nn.Sequential(*layers)
        self.caption = nn.Linear(inside * 16, config.width)
        self.identity = Gaze(inside, 8, config.width)

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """[b, 3, 64, 64] in -1…1 → caption and identity vectors [b, width]."""
        grid = self.body(pictures)
        return _unit(self.caption(grid.flatten(1))), _unit(self.identity(grid))


class TextTower(nn.Module):
    """Word numbers → unit vectors: a small transformer and the mean over its words."""

    def __init__(self, words: int, config: JudgeConfig) -> None:
        super().__init__()
        width = config.text_width
        self.words = nn.Embedding(words, width, padding_idx=_PAD)
        self.places = nn.Parameter(torch.zeros(config.length, width))
        layer = nn.TransformerEncoderLayer(
            width, width // 64, 3 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.body = nn.TransformerEncoder(layer, config.text_layers, enable_nested_tensor=False)
        self.out = nn.Linear(width, config.width)
        nn.init.normal_(self.words.weight, std=0.3)
        nn.init.normal_(self.places, std=0.05)

    def forward(self, tokens: Tensor) -> Tensor:
        """Numbers [n, length] → [n, width]."""
        tokens = tokens[:, : int((tokens != _PAD).sum(1).max())]
        x = self.words(tokens) + self.places[: tokens.shape[1]]
        x = self.body(x, src_key_padding_mask=tokens == _PAD)
        kept = (tokens != _PAD)[..., None].to(x.dtype)
        return _unit(self.out((x * kept).sum(1) / kept.sum(1)))


class Judge(nn.Module):
    """Pictures, captions, subjects: what belongs together?"""

    def __init__(self, config: JudgeConfig, words: Sequence[str]) -> None:
        super().__init__()
        self.config, self.tokenize = config, Words(words, config.length)
        self.picture = PictureTower(config)
        self.text = TextTower(len(self.tokenize), config)
        self.sharpness = nn.Parameter(torch.tensor([2.5, 2.5]))  # log inverse temperatures: captions, identity

    def embed_pictures(self, pixels: Tensor) -> Tensor:
        """Pictures [b, 3, h, w] in -1…1 → unit vectors [b, width] in caption space."""
        return self._looked_at(pixels)[0]

    def embed_identity(self, pixels: Tensor) -> Tensor:
        """Pictures [b, 3, h, w] in -1…1 → unit vectors [b, width] in identity space."""
        return self._looked_at(pixels)[1]

    def embed_text(self, texts: Sequence[str]) -> Tensor:
        """Texts → unit vectors [n, width] in caption space; identifiers are best left out."""
        tokens = self.tokenize(texts).to(self.sharpness.device)
        return torch.cat([cast(Tensor, self.text(part)) for part in tokens.split(512)])

    def classify(self, pixels: Tensor, nouns: Sequence[str]) -> Tensor:
        """Probability [b, n + 1] of each noun, and last that no object can be made out."""
        return self._choose(pixels, [a_noun(noun) for noun in [*nouns, BLUR]])

    def contexts(self, pixels: Tensor, phrases: Sequence[str]) -> Tensor:
        """Probability [b, n] of each phrase ("on the beach"), whatever stands there."""
        return self._choose(pixels, phrases)

    def _choose(self, pixels: Tensor, texts: Sequence[str]) -> Tensor:
        logits = self.embed_pictures(pixels) @ self.embed_text(texts).T
        return (logits * inverse_temperature(self.sharpness[0])).softmax(-1)

    def _looked_at(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        pixels = to_side(pixels).to(self.sharpness)
        parts = [self.picture(part) for part in pixels.split(256)]
        return torch.cat([c for c, _ in parts]), torch.cat([i for _, i in parts])

    def save(self, folder: Path) -> None:
        """Writes config, vocabulary and fp16 weights."""
        folder.mkdir(parents=True, exist_ok=True)
        save_file({k: v.half().contiguous() for k, v in self.state_dict().items()}, folder / WEIGHTS)
        (folder / VOCABULARY).write_text("\n".join(self.tokenize.words) + "\n", encoding="utf-8")
        (folder / CONFIG).write_text(json.dumps(asdict(self.config), indent=1) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Judge:
        """Reads what ``save`` wrote, ready to be asked.

        Raises:
            FileNotFoundError: a file of the folder is missing.
            RuntimeError: the weights are of another shape than the config says.
        """
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        contexts = {name: tuple(phrases) for name, phrases in said.pop("contexts").items()}
        lists = {key: tuple(value) for key, value in said.items() if isinstance(value, list)}
        config = JudgeConfig(contexts=contexts, **{**said, **lists})
        judge = cls(config, (folder / VOCABULARY).read_text(encoding="utf-8").split())
        judge.load_state_dict({k: v.float() for k, v in load_file(folder / WEIGHTS).items()})
        return judge.eval().requires_grad_(False)


def a_noun(noun: str) -> str:
    """The noun with its article, as captions have it."""
    return ("an " if noun[0] in "aeiou" and not noun.startswith("uni") else "a ") + noun


def inverse_temperature(sharpness: Tensor) -> Tensor:
    """What cosines are multiplied with, at most 60."""
    return sharpness.float().exp().clamp(max=60)


def to_side(pixels: Tensor) -> Tensor:
    """Pictures of any size as [b, 3, 64, 64]."""
    if pixels.shape[-2:] == (SIDE, SIDE):
        return pixels
    return F.interpolate(pixels.float(), size=(SIDE, SIDE), mode="bilinear", antialias=True, align_corners=False)


def _unit(x: Tensor) -> Tensor:
    return F.normalize(x.float(), dim=-1)
