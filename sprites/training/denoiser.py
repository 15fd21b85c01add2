"""The denoiser: a small ``UNet2DConditionModel`` that predicts v on 8 × 8 latents (cosine schedule)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from diffusers import AutoencoderKL, DDPMScheduler, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor
from torch.nn import functional as F
from transformers import CLIPTextModel, CLIPTokenizer

from sprites.sheet import write_sheet
from sprites.training.contrastive import tokenize
from sprites.training.optimizer import MasterOptimizer
from sprites.training.pool import Pool, to_uint8
from sprites.training.precision import best_device, fast_dtype
from sprites.training.run import Plan, Run

HELD = 2_000  # the last pictures of the pool are never trained on


def noise_schedule() -> DDPMScheduler:
    """The forward process of the base model: squared cosine, v-prediction."""
    return DDPMScheduler(
        beta_schedule="squaredcos_cap_v2",
        prediction_type="v_prediction",
        clip_sample=False,
        timestep_spacing="trailing",
        steps_offset=1,
    )


def sampler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ on the same process."""
    return DPMSolverMultistepScheduler.from_config(
        noise_schedule().config, algorithm_type="dpmsolver++", lambda_min_clipped=-5.1
    )


def build(
    latent_channels: int = 16, text_width: int = 256, channels: tuple[int, int] = (128, 224)
) -> UNet2DConditionModel:
    """An untrained denoiser with cross-attention at both levels; heads of 32."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=latent_channels,
        out_channels=latent_channels,
        layers_per_block=1,
        block_out_channels=channels,
        down_block_types=("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2,
        cross_attention_dim=text_width,
        attention_head_dim=tuple(c // 32 for c in channels),
        norm_num_groups=16,
    )


@torch.no_grad()
def text_states(encoder: CLIPTextModel, tokens: Tensor, part: int = 512) -> Tensor:
    """Hidden states [n, 32, width] of token numbers [n, 32]."""
    return torch.cat([encoder(piece).last_hidden_state for piece in tokens.split(part)])


@torch.no_grad()
def sample(
    denoiser: UNet2DConditionModel,
    states: Tensor,
    empty: Tensor,
    *,
    steps: int = 20,
    guidance: float = 3.0,
    seed: int = 0,
) -> Tensor:
    """Latents [n, c, 8, 8] drawn for text states [n, 32, width] by DPM-Solver++ with classifier-free guidance."""
    scheduler = sampler()
    scheduler.set_timesteps(steps)
    shape = (len(states), denoiser.config.in_channels, 8, 8)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(states.device) * scheduler.init_noise_sigma
    both = torch.cat([empty.expand_as(states), states])
    for t in scheduler.timesteps:
        plain, asked = denoiser(torch.cat([x, x]), t, both).sample.chunk(2)
        x = scheduler.step(plain + guidance * (asked - plain), t, x).prev_sample
    return cast(Tensor, x)


def stratified(count: int, device: torch.device, steps: int = 1000) -> Tensor:
    """Timesteps [count] spread evenly over the schedule with one common random shift, in random order."""
    t = (torch.rand(1, device=device) + torch.arange(count, device=device) / count) % 1 * steps
    return t.long()[torch.randperm(count, device=device)]


class Data:
    """Latents and text states of the pool, ready to be drawn from."""

    def __init__(self, pool: Pool, latents: Path, encoder: CLIPTextModel, tokenizer: CLIPTokenizer) -> None:
        device = best_device()
        dtype = fast_dtype(device)
        captions = [r.caption for r in pool.records]
        unique = {caption: i for i, caption in enumerate(dict.fromkeys(captions))}
        self.row = torch.tensor([unique[c] for c in captions])
        encoder = encoder.to(device)
        self.states = text_states(encoder, tokenize(tokenizer, list(unique)).to(device)).to(dtype)
        self.empty = text_states(encoder, tokenize(tokenizer, [""]).to(device)).to(dtype)
        self.latents = torch.from_numpy(np.load(latents, mmap_mode="r")[:])
        self.device, self.encoder, self.tokenizer, self.dtype = device, encoder, tokenizer, dtype

    def batch(self, index: np.ndarray) -> tuple[Tensor, Tensor]:
        """Latents [b, c, 8, 8] fp32 and text states [b, 32, width]."""
        i = torch.from_numpy(index)
        return self.latents[i].to(self.device).float(), self.states[self.row[i].to(self.device)]

    def prompts(self, prompts: Sequence[str]) -> Tensor:
        """Text states of any prompts, fp32."""
        return text_states(self.encoder, tokenize(self.tokenizer, list(prompts)).to(self.device))


def v_loss(
    denoiser: UNet2DConditionModel,
    z: Tensor,
    states: Tensor,
    t: Tensor,
    noise: Tensor,
    schedule: DDPMScheduler,
    dtype: torch.dtype,
) -> Tensor:
    """Mean squared error of the predicted velocity (Salimans & Ho 2022)."""
    noisy = schedule.add_noise(z, noise, t).to(dtype, memory_format=torch.channels_last)
    v = denoiser(noisy, t, states.to(dtype)).sample.float()
    return F.mse_loss(v, schedule.get_velocity(z, noise, t))


def plan(total: int, minutes: float, decay: float = 0.3) -> Plan:
    """What has proved itself for the denoiser."""
    return Plan(total, minutes, lr=2e-3, batch=96, seed=3, decay=decay, look_every=8.0)


def train(data: Data, vae: AutoencoderKL, folder: Path, prompts: Sequence[str], plan: Plan) -> bool:
    """Trains with captions dropped one time in ten; ``folder/samples-*.png`` shows the averaged weights."""
    device, dtype = data.device, data.dtype
    torch.manual_seed(plan.seed)
    model = build(text_width=data.states.shape[-1]).to(device, memory_format=torch.channels_last)
    if device.type == "cpu":
        # The fused attention's backward pass takes a third of a step here; plain matrix products are faster.
        model.set_attn_processor(AttnProcessor())
    optimizer = MasterOptimizer(model, dtype)
    run = Run(folder, optimizer, plan)
    vae, schedule, n = vae.to(device), noise_schedule(), len(data.latents) - HELD
    asked = data.prompts(prompts)

    def step(rng: np.random.Generator, count: int) -> Tensor:
        torch.manual_seed(int(rng.integers(2**31)))
        z, states = data.batch(rng.integers(0, n, count))
        states = torch.where(torch.rand(count, 1, 1, device=device) < 0.1, data.empty, states)
        return v_loss(optimizer.working, z, states, stratified(count, device), torch.randn_like(z), schedule, dtype)

    @torch.no_grad()
    def look() -> dict[str, Any]:
        z, states = data.batch(np.arange(n, n + 256))
        noise = torch.randn(z.shape, generator=torch.Generator().manual_seed(9)).to(device)
        t = ((torch.arange(256, device=device) + 0.5) / 256 * 1000).long()
        held = v_loss(optimizer.averaged, z, states, t, noise, schedule, torch.float32)
        drawn = to_uint8(vae.decode(sample(optimizer.averaged, asked, data.empty.float())).sample)
        write_sheet(folder / f"samples-{run.seen // 1000:05d}k.png", np.array_split(drawn, max(1, len(drawn) // 12)))
        return {"held_loss": held.item()}

    return run.go(step, look)
