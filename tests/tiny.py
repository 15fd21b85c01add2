"""Real base models at tiny size, built locally in milliseconds: the classes of Stable Diffusion, random weights."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.loaders.single_file_utils import DIFFUSERS_TO_LDM_MAPPING
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from lorabooth.families.source.single_file import clip_merges, clip_tokenizer


def build_tiny_sd(
    folder: Path,
    *,
    prediction_type: str = "epsilon",
    seed: int = 0,
    use_linear_projection: bool = False,
    clip_vocabulary: bool = False,
) -> Path:
    """Writes a Stable Diffusion pipeline for 32-pixel pictures to ``folder`` and returns it.

    The U-Net has blocks of 32 and 64 channels, one layer each, and sample size 8; the autoencoder divides sides by 4.
    ``use_linear_projection`` gives the shape of Stable Diffusion 2 (one head here, GELU), else that of 1 (8 heads).
    ``clip_vocabulary`` takes all of CLIP's 49,408 tokens (6 MB) in place of 614.
    """
    torch.manual_seed(seed)
    second = use_linear_projection
    tokenizer = clip_tokenizer(
        clip_merges()[: None if clip_vocabulary else 100], 77, "!" if second else "<|endoftext|>"
    )
    pipeline = StableDiffusionPipeline(
        vae=_tiny_vae(),
        text_encoder=_tiny_text_encoder(len(tokenizer), second),
        tokenizer=tokenizer,
        unet=_tiny_unet(second),
        scheduler=_scheduler(prediction_type),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.save_pretrained(folder)
    return folder


def _tiny_unet(second: bool) -> UNet2DConditionModel:
    return UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(32, 64),
        layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=32,
        attention_head_dim=(1, 1) if second else 8,
        use_linear_projection=second,
    )


def _tiny_vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32, 32),
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        layers_per_block=1,
        latent_channels=4,
        sample_size=32,
    )


def _tiny_text_encoder(vocabulary: int, second: bool) -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=1,
        hidden_act="gelu" if second else "quick_gelu",
        bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1,
        pad_token_id=0 if second else vocabulary - 1,
    )
    return CLIPTextModel(config)


def _scheduler(prediction_type: str) -> DDIMScheduler:
    return DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction_type,
    )


def build_tiny_checkpoint(pipeline: Path, path: Path, metadata: dict[str, str] | None = None) -> Path:
    """Writes the pipeline in folder ``pipeline`` (with CLIP's vocabulary) as one file in the original LDM layout."""
    loaded = StableDiffusionPipeline.from_pretrained(pipeline)
    second = bool(loaded.unet.config.use_linear_projection)
    tensors = {f"model.diffusion_model.{k}": v for k, v in unet_to_ldm(loaded.unet).items()}
    tensors |= {f"first_stage_model.{k}": v for k, v in _vae_to_ldm(loaded.vae).items()}
    text = _text_to_open_clip(loaded.text_encoder) if second else _text_to_ldm(loaded.text_encoder)
    tensors |= {f"cond_stage_model.{k}": v for k, v in text.items()}
    save_file({name: value.contiguous().clone() for name, value in tensors.items()}, path, metadata)
    return path


def _replaced(name: str, table: dict[str, str]) -> str:
    for old, new in table.items():
        name = name.replace(old, new)
    return name


def unet_to_ldm(unet: Any) -> dict[str, Tensor]:
    """The U-Net's tensors under their LDM names (inverse of diffusers' ``convert_ldm_unet_checkpoint``)."""
    per_block = unet.config.layers_per_block + 1
    fixed = DIFFUSERS_TO_LDM_MAPPING["unet"]["layers"]
    inner = {"norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3"}
    inner |= {"time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection"}

    def place(name: str) -> str:
        if name in fixed:
            return str(fixed[name])
        side, block, kind, index, rest = re.fullmatch(r"(\w+?)_blocks?(?:\.(\d+))?\.(\w+)\.(\d+)\.(.+)", name).groups()  # type: ignore[union-attr]
        rest = _replaced(rest, inner) if kind == "resnets" else rest
        if side == "mid":
            return f"middle_block.{1 if kind == 'attentions' else 2 * int(index)}.{rest}"
        first = int(block) * per_block
        if kind == "downsamplers":
            return f"input_blocks.{first + per_block}.0.{rest.replace('conv', 'op')}"
        if kind == "upsamplers":
            attends = "CrossAttn" in unet.config.up_block_types[int(block)]
            return f"output_blocks.{first + per_block - 1}.{2 if attends else 1}.{rest}"
        slot = 1 if kind == "attentions" else 0
        number = first + int(index)
        return f"input_blocks.{number + 1}.{slot}.{rest}" if side == "down" else f"output_blocks.{number}.{slot}.{rest}"

    return {place(name): value for name, value in unet.state_dict().items()}


def _vae_to_ldm(vae: Any) -> dict[str, Tensor]:
    fixed = DIFFUSERS_TO_LDM_MAPPING["vae"]
    last = len(vae.config.block_out_channels) - 1
    attention = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
    tensors = {}
    for name, value in vae.state_dict().items():
        new = str(fixed.get(name, name))
        new = re.sub(r"up_blocks\.(\d+)", lambda m: f"up.{last - int(m[1])}", new)
        new = re.sub(r"mid_block\.resnets\.(\d)", lambda m: f"mid.block_{int(m[1]) + 1}", new)
        new = _replaced(new, {"down_blocks": "down", "samplers.0": "sample", ".resnets.": ".block."})
        new = new.replace("conv_shortcut", "nin_shortcut")
        if "mid_block.attentions.0" in new:
            new = _replaced(new.replace("mid_block.attentions.0", "mid.attn_1"), attention)
        square = "mid.attn" in new and value.ndim == 2  # LDM attends with 1×1 convolutions
        tensors[new] = value[:, :, None, None] if square else value
    return tensors


def _plain_text(encoder: Any) -> dict[str, Tensor]:
    return {name.removeprefix("text_model."): value for name, value in encoder.state_dict().items()}


def _text_to_ldm(encoder: Any) -> dict[str, Tensor]:
    tensors = {f"transformer.text_model.{name}": value for name, value in _plain_text(encoder).items()}
    return tensors | {"transformer.text_model.embeddings.position_ids": torch.arange(77)[None]}


def _text_to_open_clip(encoder: Any) -> dict[str, Tensor]:
    tables = DIFFUSERS_TO_LDM_MAPPING["openclip"]
    fixed = {name.removeprefix("text_model."): ldm for name, ldm in tables["layers"].items()}
    inner = {new.removeprefix("text_model."): old for new, old in tables["transformer"].items() if old[0] in ".rl"}
    weights = _plain_text(encoder)
    tensors: dict[str, Tensor] = {"logit_scale": torch.zeros(()), "text_projection": torch.eye(32)}
    for name, value in weights.items():
        if name in fixed:
            tensors[fixed[name]] = value
        elif ".q_proj." in name:
            joined = torch.cat([weights[name.replace("q_proj", f"{letter}_proj")] for letter in "qkv"])
            tensors["transformer." + _replaced(name, inner).replace(".q_proj.", ".in_proj_")] = joined
        elif not re.search(r"\.[kv]_proj\.", name):
            tensors["transformer." + _replaced(name, inner)] = value
    return {f"model.{name}": value for name, value in tensors.items()}
