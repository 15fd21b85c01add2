"""The trained parts as a plain diffusers folder that ``StableDiffusionPipeline.from_pretrained`` loads."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer

from sprites.errors import RecipeError
from sprites.training.denoiser import sampler


def assemble(
    folder: Path, *, vae: AutoencoderKL, text: Any, tokenizer: CLIPTokenizer, unet: UNet2DConditionModel
) -> None:
    """Writes safetensors, configs, tokenizer and scheduler; files beside them are left alone.

    Autoencoder and denoiser are fp16; the text encoder is fp32, since transformers loads a file in its own format
    and a pipeline loaded without ``torch_dtype`` would mix the two.
    """
    encoder = CLIPTextModel(text.config)
    encoder.load_state_dict(_text_state(text, encoder))
    pipeline = StableDiffusionPipeline(
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer,
        unet=unet,
        scheduler=sampler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    temporary = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    for module in (pipeline.vae, pipeline.unet):
        module.to(torch.float16)
    pipeline.save_pretrained(temporary)
    write_clip_files(tokenizer, temporary / "tokenizer")
    for path in sorted(temporary.iterdir()):
        target = folder / path.name
        if target.is_dir():
            shutil.rmtree(target)
        folder.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    temporary.rmdir()
    write_sums(folder)


def write_sums(folder: Path) -> None:
    """`SHA256SUMS` over every file of the model, as `sha256sum -c` reads it."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".safetensors", ".json", ".txt"))
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    (folder / "SHA256SUMS").write_text("".join(lines))


def check_sums(folder: Path) -> None:
    """Refuses a model folder whose files are not those that were written.

    Raises:
        RecipeError: a file is missing or differs.
    """
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, _, name = line.partition("  ")
        path = folder / name
        if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != digest:
            raise RecipeError(
                f"{path} is not the file that SHA256SUMS names; fetch it again, or assemble the model anew"
            )


def _text_state(text: Any, encoder: CLIPTextModel) -> dict[str, torch.Tensor]:
    wanted = encoder.state_dict()
    state = {k: v for k, v in text.state_dict().items() if k in wanted}
    if len(state) != len(wanted):
        state = {
            k.removeprefix("text_model."): v
            for k, v in text.state_dict().items()
            if k.removeprefix("text_model.") in wanted
        }
    return state


def write_clip_files(tokenizer: CLIPTokenizer, folder: Path) -> None:
    """`vocab.json` and `merges.txt` beside `tokenizer.json`, for tools that read CLIP's own two files."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"], ensure_ascii=False))
    pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(pairs) + "\n")
