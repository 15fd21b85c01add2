"""Configurations read off the tensor shapes of an original (LDM) Stable Diffusion checkpoint.

What shapes do not tell follows from the generation: Stable Diffusion 1.x has 8 heads and CLIP ViT-L's quick GELU,
2.x has heads of width 64, OpenCLIP ViT-H's GELU, and stops before ViT-H's last block.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import count
from typing import Any

UNET = "model.diffusion_model."
VAE = "first_stage_model."
CLIP = "cond_stage_model.transformer."
OPEN_CLIP = "cond_stage_model.model."

OPEN_CLIP_LAYERS = 23  # of ViT-H's 24: Stable Diffusion 2 takes the penultimate hidden state
_HEAD_WIDTH = 64

Shapes = Mapping[str, tuple[int, ...]]


def unet_config(shapes: Shapes, generation: int, prediction: str) -> dict[str, Any]:
    """Arguments of ``UNet2DConditionModel``; ``generation`` is 1 or 2."""
    channels, layers, attention = _unet_blocks(shapes)
    second = generation == 2
    context = next(shape[1] for name, shape in shapes.items() if name.endswith("attn2.to_k.weight"))
    return {
        "sample_size": 96 if second and prediction == "v_prediction" else 64,
        "in_channels": unet_channels(shapes),
        "out_channels": shapes[f"{UNET}out.2.weight"][0],
        "block_out_channels": channels,
        "layers_per_block": layers,
        "down_block_types": ["CrossAttnDownBlock2D" if here else "DownBlock2D" for here in attention],
        "up_block_types": ["CrossAttnUpBlock2D" if here else "UpBlock2D" for here in reversed(attention)],
        "cross_attention_dim": context,
        "attention_head_dim": [max(1, width // _HEAD_WIDTH) for width in channels] if second else 8,  # diffusers: heads
        "use_linear_projection": len(shapes[f"{UNET}middle_block.1.proj_in.weight"]) == 2,
        "upcast_attention": second,
    }


def unet_channels(shapes: Shapes) -> int:
    """Channels that the denoiser takes: 4, or 9 for inpainting."""
    return shapes[f"{UNET}input_blocks.0.0.weight"][1]


def _unet_blocks(shapes: Shapes) -> tuple[list[int], int, list[bool]]:
    """Width of each down block, residual layers in a block, and which blocks attend."""
    channels: list[int] = []
    attention: list[bool] = []
    layers, new_block = 0, True
    for index in count(1):
        block = f"{UNET}input_blocks.{index}."
        if f"{block}0.op.weight" in shapes:
            new_block = True
        elif f"{block}0.in_layers.2.weight" in shapes:
            if new_block:
                channels.append(shapes[f"{block}0.in_layers.2.weight"][0])
                attention.append(f"{block}1.proj_in.weight" in shapes)
                new_block = False
            layers += len(channels) == 1
        else:
            return channels, layers, attention
    raise AssertionError("count() does not end")


def vae_config(shapes: Shapes, sample_size: int) -> dict[str, Any]:
    """Arguments of ``AutoencoderKL``; ``sample_size`` in pixels."""
    widths = []
    for level in count():
        shape = shapes.get(f"{VAE}encoder.down.{level}.block.0.conv1.weight")
        if shape is None:
            break
        widths.append(shape[0])
    return {
        "in_channels": shapes[f"{VAE}encoder.conv_in.weight"][1],
        "out_channels": shapes[f"{VAE}decoder.conv_out.weight"][0],
        "block_out_channels": widths,
        "down_block_types": ["DownEncoderBlock2D"] * len(widths),
        "up_block_types": ["UpDecoderBlock2D"] * len(widths),
        "layers_per_block": _numbered(shapes, rf"{re.escape(VAE)}encoder\.down\.0\.block\.(\d+)\."),
        "latent_channels": latent_channels(shapes),
        "sample_size": sample_size,
        "scaling_factor": 0.18215,
    }


def latent_channels(shapes: Shapes) -> int:
    """Channels of the autoencoder's latents."""
    return shapes[f"{VAE}decoder.conv_in.weight"][1]


def text_config(shapes: Shapes, generation: int) -> dict[str, Any]:
    """Arguments of ``CLIPTextConfig``."""
    tokens, places, first_mlp, block = _text_names(shapes, generation)
    vocabulary, width = shapes[tokens]
    layers = _numbered(shapes, block)
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "max_position_embeddings": shapes[places][0],
        "intermediate_size": shapes[first_mlp][0],
        "num_hidden_layers": min(layers, OPEN_CLIP_LAYERS) if generation == 2 else layers,
        "num_attention_heads": max(1, width // _HEAD_WIDTH),
        "hidden_act": "gelu" if generation == 2 else "quick_gelu",
        "bos_token_id": vocabulary - 2,
        "eos_token_id": vocabulary - 1,
        "pad_token_id": 0 if generation == 2 else vocabulary - 1,
    }


def _text_names(shapes: Shapes, generation: int) -> tuple[str, str, str, str]:
    if generation == 2:
        blocks = f"{OPEN_CLIP}transformer.resblocks."
        names = ("token_embedding.weight", "positional_embedding", "transformer.resblocks.0.mlp.c_fc.weight")
        return (*_prefixed(OPEN_CLIP, names), rf"{re.escape(blocks)}(\d+)\.")
    prefix = clip_prefix(shapes)
    names = (
        "embeddings.token_embedding.weight",
        "embeddings.position_embedding.weight",
        "encoder.layers.0.mlp.fc1.weight",
    )
    return (*_prefixed(prefix, names), rf"{re.escape(prefix)}encoder\.layers\.(\d+)\.")


def _prefixed(prefix: str, names: tuple[str, str, str]) -> tuple[str, str, str]:
    return (prefix + names[0], prefix + names[1], prefix + names[2])


def clip_prefix(shapes: Shapes) -> str:
    """Where CLIP's tensors are; some merging tools leave `text_model.` out."""
    return f"{CLIP}text_model." if any(name.startswith(f"{CLIP}text_model.") for name in shapes) else CLIP


def _numbered(shapes: Shapes, pattern: str) -> int:
    return len({match[1] for match in map(re.compile(pattern).match, shapes) if match})
