"""Base models with random weights, and pictures of nothing: `-m benchmarks.models model KIND FOLDER`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel

from lorabooth.families.source.single_file import clip_merges, clip_tokenizer

DENOISERS: dict[str, dict[str, Any]] = {
    "sd15": {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8},
    "embedded": {
        "sample_size": 8,
        "in_channels": 16,
        "out_channels": 16,
        "layers_per_block": 1,
        "block_out_channels": (128, 224),
        "down_block_types": ("CrossAttnDownBlock2D",) * 2,
        "up_block_types": ("CrossAttnUpBlock2D",) * 2,
        "cross_attention_dim": 256,
        "attention_head_dim": (4, 7),
        "norm_num_groups": 16,
    },
}
AUTOENCODERS: dict[str, dict[str, Any]] = {
    "sd15": {
        "block_out_channels": (128, 256, 512, 512),
        "layers_per_block": 2,
        "latent_channels": 4,
        "sample_size": 512,
        "scaling_factor": 0.18215,
    },
    "embedded": {
        "block_out_channels": (32, 64, 128, 192),
        "layers_per_block": 1,
        "latent_channels": 16,
        "sample_size": 64,
        "norm_num_groups": 16,
    },
}
TEXT_ENCODERS: dict[str, dict[str, Any]] = {
    "sd15": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12},
    "embedded": {"hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 4},
}
MERGES = {"sd15": 48_894, "embedded": 1_456}
TOKENS = {"sd15": 77, "embedded": 32}


def quickly(build: Callable[[], Any]) -> Any:
    """Builds a module with small normal weights, without the slow initialisations that it would do by itself."""
    with torch.device("meta"):
        module = build()
    module = module.to_empty(device="cpu")
    for name, weight in module.named_parameters():
        if weight.ndim > 1:
            weight.data.normal_(0, 0.02)
        else:
            weight.data.fill_(1.0 if "norm" in name and name.endswith("weight") else 0.0)
    for name, buffer in module.named_buffers():
        if name.endswith("position_ids"):
            buffer.copy_(torch.arange(buffer.shape[-1])[None])
    return module


def build_model(kind: str, folder: Path) -> None:
    """Writes a pipeline of this kind's exact shape."""
    torch.manual_seed(0)
    tokenizer = clip_tokenizer(clip_merges()[: MERGES[kind]], TOKENS[kind])
    blocks = len(AUTOENCODERS[kind]["block_out_channels"])
    ends = {"bos_token_id": len(tokenizer) - 2, "eos_token_id": len(tokenizer) - 1, "pad_token_id": len(tokenizer) - 1}
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), max_position_embeddings=TOKENS[kind], **TEXT_ENCODERS[kind], **ends
    )
    StableDiffusionPipeline(
        vae=quickly(
            lambda: AutoencoderKL(
                **AUTOENCODERS[kind],
                down_block_types=("DownEncoderBlock2D",) * blocks,
                up_block_types=("UpDecoderBlock2D",) * blocks,
            )
        ),
        text_encoder=quickly(lambda: CLIPTextModel(text)),
        tokenizer=tokenizer,
        unet=quickly(lambda: UNet2DConditionModel(**DENOISERS[kind])),
        scheduler=DDIMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1
        ),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).save_pretrained(folder)


def build_pictures(folder: Path, count: int, size: int) -> None:
    """Writes soft random colours: pictures to encode, of nothing."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(0)
    for number in range(count):
        patches = Image.fromarray(chance.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        patches.resize((size, size), Image.Resampling.BICUBIC).save(folder / f"{number}.jpg", quality=92)


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "model":
        build_model(arguments[0], Path(arguments[1]))
    else:
        build_pictures(Path(arguments[0]), int(arguments[1]), int(arguments[2]))
