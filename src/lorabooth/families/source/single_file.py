"""A base model as one safetensors file in the original (LDM) layout, loaded with no network and no Hub cache."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorabooth.errors import InputError
from lorabooth.families.source import ldm
from lorabooth.families.source.folder import check_channels, misfit, missing
from lorabooth.families.source.header import CONVERT, PICKLES, Header, read_header, read_tensor

if TYPE_CHECKING:
    import torch

_CLIP_TOKENS = 49_408
_PARTS = {ldm.UNET: "denoiser", ldm.VAE: "autoencoder", "cond_stage_model.": "text encoder"}
_KEYS_THAT_MUST_BE_THERE = (
    f"{ldm.UNET}input_blocks.0.0.weight",
    f"{ldm.UNET}middle_block.1.proj_in.weight",
    f"{ldm.UNET}out.2.weight",
    f"{ldm.VAE}encoder.conv_in.weight",
    f"{ldm.VAE}decoder.conv_in.weight",
    f"{ldm.VAE}decoder.conv_out.weight",
)


def check_file(path: Path, prediction: str | None) -> str:
    """Checks that ``path`` is a whole Stable Diffusion 1.x or 2.x checkpoint → what its denoiser predicts.

    Raises:
        InputError: no such checkpoint, a half-downloaded one, or one that does not say what it predicts.
    """
    if path.suffix.lower() in PICKLES:
        raise InputError(f"{path} is a pickle, which can run code when loaded; expected .safetensors.", CONVERT)
    if path.suffix.lower() != ".safetensors":
        raise InputError(f"{path} is no base model; expected a .safetensors checkpoint or a folder.")
    header = read_header(path)
    generation = _generation(path, header)
    check_channels(ldm.unet_channels(header.shapes), ldm.latent_channels(header.shapes), str(path))
    found = prediction or _stated_prediction(header) or ("epsilon" if generation == 1 else None)
    if found is None:
        raise InputError(
            f"{path} is a Stable Diffusion 2.x checkpoint, which does not say what it predicts.",
            "Set model.prediction_type=v_prediction (768-v models) or model.prediction_type=epsilon (512-base models).",
        )
    return found


def _generation(path: Path, header: Header) -> int:
    names = header.shapes
    absent = [part for prefix, part in _PARTS.items() if not any(name.startswith(prefix) for name in names)]
    if len(absent) == len(_PARTS) or any(name.startswith("conditioner.") for name in names):
        raise InputError(f"{path} is {_what_else(names)}.", "Expected a Stable Diffusion 1.x or 2.x checkpoint.")
    if absent:
        raise InputError(f"{path} has no {' and no '.join(absent)}.", "Expected a checkpoint with all three parts.")
    gaps = [name for name in _KEYS_THAT_MUST_BE_THERE if name not in names]
    attends = any(name.endswith("attn2.to_k.weight") for name in names)
    second = f"{ldm.OPEN_CLIP}token_embedding.weight" in names
    first = f"{ldm.clip_prefix(names)}embeddings.token_embedding.weight" in names
    if gaps or not attends or not (first or second):
        lacking = gaps[0] if gaps else "a known text encoder" if attends else "cross-attention"
        raise InputError(f"{path} is no Stable Diffusion 1.x or 2.x checkpoint: it lacks {lacking}.")
    return 2 if second else 1


def _what_else(names: Sequence[str] | Any) -> str:
    if any("lora_" in name or ".lora" in name for name in names):
        return "a LoRA, not a base model"
    if any(name.startswith("conditioner.") for name in names):
        return "an SDXL checkpoint, which is not supported as a single file"
    if any(name.startswith(("down_blocks.", "encoder.", "text_model.", "embeddings.")) for name in names):
        return "one component of a model, not a whole checkpoint"
    return "no Stable Diffusion checkpoint" + (
        f"; its first tensor is {next(iter(names))}" if names else "; it is empty"
    )


def _stated_prediction(header: Header) -> str | None:
    """What the file itself says: an (empty) tensor `v_pred`, or the modelspec metadata of sd-scripts."""
    if "v_pred" in header.shapes:
        return "v_prediction"
    return {"v": "v_prediction", "epsilon": "epsilon"}.get(header.metadata.get("modelspec.prediction_type", ""))


def config_of(path: Path, component: str, prediction: str) -> dict[str, Any]:
    """The configuration of `unet` or `vae`, as the shapes of its tensors tell it."""
    header = read_header(path)
    unet = ldm.unet_config(header.shapes, _generation(path, header), prediction)
    return unet if component == "unet" else ldm.vae_config(header.shapes, 8 * unet["sample_size"])


def load_module(path: Path, component: str, prediction: str, dtype: torch.dtype) -> Any:
    """Loads `unet`, `vae` or `text_encoder` in ``dtype`` on the CPU; no other tensors are read.

    Raises:
        InputError: tensors are missing or have unexpected shapes.
    """
    header = read_header(path)
    generation = _generation(path, header)
    unet = ldm.unet_config(header.shapes, generation, prediction)
    try:
        if component == "unet":
            return _load_unet(path, unet, dtype)
        if component == "vae":
            return _load_vae(path, ldm.vae_config(header.shapes, 8 * unet["sample_size"]), dtype)
        return _load_text_encoder(path, ldm.text_config(header.shapes, generation), generation, dtype)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise misfit(component, path, error) from error


def _load_unet(path: Path, config: dict[str, Any], dtype: torch.dtype) -> Any:
    from diffusers import UNet2DConditionModel
    from diffusers.loaders.single_file_utils import convert_ldm_unet_checkpoint

    weights = convert_ldm_unet_checkpoint(_tensors(path, ldm.UNET, dtype), config)
    return _assigned(lambda: UNet2DConditionModel(**config), weights, "unet", path)


def _load_vae(path: Path, config: dict[str, Any], dtype: torch.dtype) -> Any:
    from diffusers import AutoencoderKL
    from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint

    weights = convert_ldm_vae_checkpoint(_tensors(path, ldm.VAE, dtype), config)
    return _assigned(lambda: AutoencoderKL(**config), weights, "vae", path)


def _load_text_encoder(path: Path, config: dict[str, Any], generation: int, dtype: torch.dtype) -> Any:
    from types import SimpleNamespace

    from diffusers.loaders.single_file_utils import convert_open_clip_checkpoint
    from transformers import CLIPTextConfig, CLIPTextModel

    settings = CLIPTextConfig(**config)
    if generation == 2:
        tensors = _tensors(path, ldm.OPEN_CLIP, dtype)
        weights = convert_open_clip_checkpoint(SimpleNamespace(config=settings), tensors, prefix=ldm.OPEN_CLIP)
    else:
        weights = {name.removeprefix(ldm.CLIP): value for name, value in _tensors(path, ldm.CLIP, dtype).items()}
    plain = {name.removeprefix("text_model."): value for name, value in weights.items()}
    return _assigned(lambda: CLIPTextModel(settings), plain, "text_encoder", path)


def _tensors(path: Path, prefix: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    tensors = {}
    for name in read_header(path).shapes:
        if name.startswith(prefix):
            tensor = read_tensor(path, name)
            tensors[name] = tensor.to(dtype) if tensor.is_floating_point() else tensor
    return tensors


def _assigned(build: Any, weights: dict[str, torch.Tensor], component: str, path: Path) -> Any:
    """Builds the module without weights and puts ``weights`` in; every parameter must be among them."""
    from accelerate import init_empty_weights

    with init_empty_weights():
        module = build()
    names = module.state_dict().keys()
    wrapper = "text_model." if any(name.startswith("text_model.") for name in names) else ""  # transformers < 5.6
    found = {wrapper + name: value for name, value in weights.items() if wrapper + name in names}
    if len(found) < len(names):
        raise missing(component, path, names - found.keys())
    module.load_state_dict(found, assign=True)
    return module


def load_tokenizer(path: Path) -> Any:
    """CLIP's tokenizer, from the merges that come with lorabooth.

    Raises:
        InputError: the text encoder has another vocabulary.
    """
    header = read_header(path)
    generation = _generation(path, header)
    config = ldm.text_config(header.shapes, generation)
    if config["vocab_size"] < _CLIP_TOKENS:
        raise InputError(
            f"The text encoder in {path} knows {config['vocab_size']:,} tokens, CLIP's tokenizer has {_CLIP_TOKENS:,}.",
            "A model with a tokenizer of its own must be a diffusers folder.",
        )
    return clip_tokenizer(
        clip_merges(), length=config["max_position_embeddings"], padding="!" if generation == 2 else "<|endoftext|>"
    )


def clip_merges() -> list[tuple[str, str]]:
    """CLIP's 48,894 byte-pair merges in their order (see clip/LICENSES.md)."""
    text = gzip.decompress((Path(__file__).parent / "clip" / "merges.txt.gz").read_bytes()).decode("utf-8")
    return [(first, second) for first, second in map(str.split, text.splitlines())]


def clip_tokenizer(merges: Sequence[tuple[str, str]], length: int, padding: str = "<|endoftext|>") -> Any:
    """A tokenizer whose ids are CLIP's: 256 bytes, 256 bytes that end a word, ``merges``, start and end of text."""
    from transformers import CLIPTokenizer

    symbols = _byte_symbols()
    tokens = [*symbols, *(f"{symbol}</w>" for symbol in symbols), *map("".join, merges)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {token: number for number, token in enumerate(tokens)}
    return CLIPTokenizer(vocabulary, list(merges), pad_token=padding, model_max_length=length)


def _byte_symbols() -> list[str]:
    """The 256 bytes as printable characters, printable bytes first, as GPT-2 and CLIP order them."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, printable), *(chr(256 + n) for n in range(256 - len(printable)))]


def load_scheduler(prediction: str) -> Any:
    """The noise scheduler that both generations were trained with (DDPM's betas, as DDIM)."""
    from diffusers import DDIMScheduler

    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type=prediction,
    )
