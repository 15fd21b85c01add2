"""Picture and text encoders trained on pairs (InfoNCE, as CLIP): the base model's text encoder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import CLIPTextConfig, CLIPTextModelWithProjection, CLIPTokenizer

from sprites.training.optimizer import MasterOptimizer
from sprites.training.pool import Pool
from sprites.training.precision import best_device, fast_dtype
from sprites.training.run import Plan, Run

HELD = 2_000  # the last pictures of the pool are never trained on
WIDTH = 128
LIFT = 15


def build_text_encoder(tokenizer: CLIPTokenizer, width: int = 256, layers: int = 4) -> CLIPTextModelWithProjection:
    """CLIP's text encoder, small: 32 positions, heads of 64."""
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=width,
            intermediate_size=3 * width,
            projection_dim=WIDTH,
            num_hidden_layers=layers,
            num_attention_heads=width // 64,
            max_position_embeddings=tokenizer.model_max_length,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


class Residual(nn.Module):
    """Two 3 × 3 convolutions beside a shortcut, halving the side."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(inside, outside, 3, 2, 1), nn.GroupNorm(16, outside), nn.SiLU())
        self.second = nn.Sequential(nn.Conv2d(outside, outside, 3, 1, 1), nn.GroupNorm(16, outside))

    def forward(self, x: Tensor) -> Tensor:
        """[b, c, h, w] → [b, d, h/2, w/2]."""
        x = self.first(x)
        return F.silu(x + self.second(x))


class PictureEncoder(nn.Module):
    """64 × 64 pictures → unit vectors [b, 128]; the last grid is kept, so that place and shape count."""

    def __init__(self, channels: tuple[int, int, int] = (96, 192, 256), width: int = WIDTH) -> None:
        super().__init__()
        a, b, c = channels
        self.body = nn.Sequential(
            nn.PixelUnshuffle(2), nn.Conv2d(12, 48, 3, 1, 1), nn.SiLU(), Residual(48, a), Residual(a, b), Residual(b, c)
        )
        self.head = nn.Linear(c * 16, width)

    def forward(self, pictures: Tensor) -> Tensor:
        """[b, 3, 64, 64] in -1…1 → unit vectors [b, width]."""
        return F.normalize(self.head(self.body(pictures).flatten(1)).float(), dim=-1)


class Pair(nn.Module):
    """A picture encoder and a text encoder that meet in one space."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.picture = PictureEncoder()
        self.text = build_text_encoder(tokenizer)
        self.temperature = nn.Parameter(torch.tensor(2.5))

    def embed_text(self, tokens: Tensor) -> Tensor:
        """Token numbers [b, 32] → unit vectors [b, width]."""
        return F.normalize(cast(Tensor, self.text(tokens).text_embeds).float(), dim=-1)


def tokenize(tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """Captions → numbers [n, 32], padded as Stable Diffusion pads."""
    return cast(Tensor, tokenizer(captions, padding="max_length", truncation=True, return_tensors="pt").input_ids)


def pair_loss(pictures: Tensor, texts: Tensor, temperature: Tensor, tokens: Tensor) -> Tensor:
    """Symmetric InfoNCE; pairs of the same caption are not each other's negatives."""
    logits = pictures @ texts.T * temperature.float().exp().clamp(max=60)
    same = (tokens[:, None] == tokens[None]).all(-1) & ~torch.eye(len(tokens), dtype=torch.bool, device=tokens.device)
    logits = logits.masked_fill(same, -1e4)
    target = torch.arange(len(tokens), device=tokens.device)
    return (F.cross_entropy(logits, target) + F.cross_entropy(logits.T, target)) / 2


@torch.no_grad()
def retrieval(pictures: Tensor, texts: Tensor, choices: int = 100) -> float:
    """Share of pictures whose own caption is the nearest of ``choices``."""
    right = [
        (p @ t.T).argmax(1) == torch.arange(len(p), device=p.device)
        for p, t in zip(pictures.split(choices), texts.split(choices), strict=True)
    ]
    return torch.cat(right).float().mean().item()


def plan(total: int, minutes: float) -> Plan:
    """What has proved itself for the text encoder."""
    return Plan(total, minutes, lr=1e-3, batch=192, seed=2, decay=0.6, look_every=2.0)


@torch.no_grad()
def lift_unseen(encoder: Any, tokens: Tensor, seed: int = 5) -> None:
    """Gives tokens that no caption holds random embeddings ``LIFT`` times as large as the learned ones, in place.

    The encoder learned to overlook whatever tells neither class nor context; at the usual size an identifier would
    hardly differ from no word at all. ``tokens`` [n, 32] are all captions' numbers.
    """
    table = encoder.get_input_embeddings().weight
    seen = torch.zeros(len(table), dtype=torch.bool)
    seen[tokens.unique()] = True
    chance = torch.randn(table.shape, generator=torch.Generator().manual_seed(seed))
    table[~seen] = (chance * LIFT * table[seen].std())[~seen].to(table.dtype)


def train(pool: Pool, tokenizer: CLIPTokenizer, folder: Path, plan: Plan) -> bool:
    """Trains a pair on the pool; ``folder/checkpoint.pt`` holds it."""
    device = best_device()
    dtype = fast_dtype(device)
    torch.manual_seed(plan.seed)
    model = Pair(tokenizer).to(device)
    optimizer = MasterOptimizer(model, dtype, muon=False, average=0.995)
    run = Run(folder, optimizer, plan)
    tokens = tokenize(tokenizer, [r.caption for r in pool.records]).to(device)
    n = len(pool) - HELD

    def step(rng: np.random.Generator, count: int) -> Tensor:
        torch.manual_seed(int(rng.integers(2**31)))
        index = rng.integers(0, n, count)
        x = pool.batch(index).to(device)
        x = x + torch.randn_like(x) * 0.3 * torch.rand(count, 1, 1, 1, device=device)
        texts = tokens[torch.from_numpy(index).to(device)]
        pictures = optimizer.working.picture(x.to(dtype, memory_format=torch.channels_last))
        return pair_loss(pictures, optimizer.working.embed_text(texts), optimizer.working.temperature, texts)

    @torch.no_grad()
    def look() -> dict[str, Any]:
        index = np.arange(n, n + HELD)
        averaged = optimizer.averaged
        pictures = torch.cat([averaged.picture(pool.batch(part).to(device)) for part in np.array_split(index, 8)])
        texts = torch.cat([averaged.embed_text(part) for part in tokens[n:].split(250)])
        return {"right_of_100": retrieval(pictures, texts)}

    return run.go(step, look)
