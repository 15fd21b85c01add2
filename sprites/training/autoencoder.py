"""The autoencoder: 64 × 64 × 3 pictures ↔ 8 × 8 × 16 latents (diffusers' ``AutoencoderKL``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from sprites.sheet import write_sheet
from sprites.training.optimizer import MasterOptimizer
from sprites.training.pool import Pool, to_uint8
from sprites.training.precision import best_device, fast_dtype
from sprites.training.run import Plan, Run

HELD = 512  # the last pictures of the pool are never trained on


def build(channels: tuple[int, ...] = (32, 64, 128, 192), latent_channels: int = 16) -> AutoencoderKL:
    """An untrained autoencoder, eight times smaller a side."""
    depth = len(channels)
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * depth,
        up_block_types=("UpDecoderBlock2D",) * depth,
        block_out_channels=channels,
        layers_per_block=1,
        latent_channels=latent_channels,
        norm_num_groups=16,
        sample_size=64,
        mid_block_add_attention=False,
        scaling_factor=1.0,
        force_upcast=False,
    )


def crops(pictures: Tensor, rng: np.random.Generator, size: int) -> Tensor:
    """Mirrors the batch by chance and cuts one window on the latent grid: half the side costs a quarter."""
    y, x = rng.integers(0, (pictures.shape[-1] - size) // 8 + 1, 2) * 8
    pictures = pictures.flip(3) if rng.random() < 0.5 else pictures
    return pictures[:, :, y : y + size, x : x + size]


def loss_of(model: AutoencoderKL, x: Tensor, dtype: torch.dtype) -> Tensor:
    """|error| + 2·error² + a slight pull of the posterior towards N(0, 1)."""
    posterior = model.encode(x.to(dtype)).latent_dist
    error = model.decode(posterior.sample()).sample.float() - x
    mean, logvar = posterior.mean.float(), posterior.logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    loss: Tensor = error.abs().mean() + 2 * error.square().mean() + 1e-4 * kl
    return loss


@torch.no_grad()
def reconstruct(model: AutoencoderKL, x: Tensor) -> Tensor:
    """Pictures through the posterior mean and back, [b, 3, h, w] in -1…1."""
    return (
        torch.cat([model.decode(model.encode(part).latent_dist.mode()).sample for part in x.split(64)])
        .float()
        .clamp(-1, 1)
    )


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of pictures in -1…1, over the whole batch."""
    return float(-10 * torch.log10((a - b).square().mean() / 4))


def plan(total: int, minutes: float) -> Plan:
    """What has proved itself for the autoencoder."""
    return Plan(total, minutes, lr=2e-3, batch=48, seed=1, decay=0.6)


def train(pool: Pool, folder: Path, plan: Plan) -> bool:
    """Trains mostly on quarter crops, then on whole pictures for the last eighth."""
    device = best_device()
    dtype = fast_dtype(device)
    torch.manual_seed(plan.seed)
    model = build().to(device, memory_format=torch.channels_last)
    optimizer = MasterOptimizer(model, dtype)
    run = Run(folder, optimizer, plan)
    held = pool.batch(np.arange(len(pool) - HELD, len(pool))).to(device)

    def step(rng: np.random.Generator, count: int) -> Tensor:
        torch.manual_seed(int(rng.integers(2**31)))
        index = rng.integers(0, len(pool) - HELD, count)
        x = pool.batch(index).to(device)
        x = crops(x, rng, 32 if run.seen < plan.total * 7 // 8 else 64)
        return loss_of(optimizer.working, x.contiguous(memory_format=torch.channels_last), dtype)

    def look() -> dict[str, Any]:
        again = reconstruct(optimizer.averaged, held[:128])
        write_sheet(folder / "reconstruction.png", [to_uint8(held[:24]), to_uint8(again[:24])])
        return {"psnr": psnr(again, held[:128])}

    return run.go(step, look)
