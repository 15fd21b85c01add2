"""The pool as whitened latents."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from sprites.training.pool import Pool
from sprites.training.precision import best_device, fast_dtype


@torch.no_grad()
def encode(vae: AutoencoderKL, pictures: Tensor) -> Tensor:
    """Posterior means [b, 16, h/8, w/8] of pictures [b, 3, h, w] in -1…1."""
    return cast(Tensor, vae.encode(pictures).latent_dist.mode())


@torch.no_grad()
def whiten(vae: AutoencoderKL, pool: Pool, count: int = 4_000) -> None:
    """Folds each latent channel's mean and deviation into ``quant_conv`` and ``post_quant_conv``, in place.

    Afterwards latents have mean 0 and variance 1 a channel, as the noise they are mixed with, and
    ``scaling_factor`` is 1.
    """
    z = torch.cat([encode(vae, pool.batch(np.arange(i, min(i + 100, count)))) for i in range(0, count, 100)])
    mean, deviation = z.mean((0, 2, 3)), z.std((0, 2, 3))
    c = len(mean)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:c] /= deviation.view(-1, 1, 1, 1)
    quant.bias[:c] = (quant.bias[:c] - mean) / deviation
    quant.bias[c:] -= 2 * deviation.log()
    post.bias += (post.weight[:, :, 0, 0] * mean).sum(1)
    post.weight *= deviation.view(1, -1, 1, 1)


def encode_pool(vae: AutoencoderKL, pool: Pool, path: Path) -> None:
    """Writes the pool's latents [n, 16, 8, 8] fp16 to ``path``."""
    device = best_device()
    dtype = fast_dtype(device)
    vae = vae.to(device, dtype, memory_format=torch.channels_last)
    size = pool.pictures.shape[1] // 8
    temporary = path.with_suffix(".tmp")
    out = np.lib.format.open_memmap(temporary, "w+", np.float16, (len(pool), vae.config.latent_channels, size, size))
    for i in range(0, len(pool), 128):
        x = pool.batch(np.arange(i, min(i + 128, len(pool)))).to(device, dtype, memory_format=torch.channels_last)
        out[i : i + 128] = encode(vae, x).float().cpu().numpy()
    out.flush()
    temporary.replace(path)
