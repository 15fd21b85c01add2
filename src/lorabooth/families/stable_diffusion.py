"""Stable Diffusion 1.x and 2.x, and the embedded base model, which has the same classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, cast

import torch
from PIL import Image
from torch import Tensor, nn

from lorabooth.errors import InputError
from lorabooth.families import Posterior, TextEmbedding
from lorabooth.families.source import ModelSource, component_config, load_component
from lorabooth.families.source.digest import component_digest
from lorabooth.objectives import Diffusion, PredictionType
from lorabooth.objectives import zero_terminal_snr as rescale

ATTENTION = ("to_q", "to_k", "to_v", "to_out.0")
LINEAR = (*ATTENTION, "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out")
CONV = ("conv1", "conv2", "conv_shortcut", "time_emb_proj", "downsamplers.0.conv", "upsamplers.0.conv")


def build(
    source: ModelSource, *, dtype: torch.dtype, device: torch.device, snr_gamma: float | None, zero_terminal_snr: bool
) -> StableDiffusion:
    """The family for a base model of this pipeline class.

    Raises:
        InputError: zero-terminal SNR was asked of a model that predicts epsilon, which can't learn from pure noise.
    """
    return StableDiffusion(source, dtype, device, snr_gamma, zero_terminal_snr)


class StableDiffusion:
    """See ``lorabooth.families.Family`` for the contract of each member."""

    name = "stable-diffusion"

    def __init__(
        self,
        source: ModelSource,
        dtype: torch.dtype,
        device: torch.device,
        snr_gamma: float | None,
        zero_terminal_snr: bool,
    ) -> None:
        self.source, self.dtype, self.device = source, dtype, device
        self._text_encoder: nn.Module | None = None
        self._autoencoder: Any = None
        self._fingerprints: dict[str, str] = {}
        self.scheduler = load_component(source, "scheduler", torch.float32)
        prediction = self.scheduler.config.prediction_type
        if prediction not in ("epsilon", "v_prediction"):
            raise InputError(f"{source.name} predicts {prediction!r}; supported are epsilon and v_prediction.")
        if zero_terminal_snr and prediction == "epsilon":
            raise InputError(
                f"objective.zero_terminal_snr needs a v-prediction model; {source.name} predicts epsilon.",
                "Type objective.zero_terminal_snr=false.",
            )
        alphas = _alphas_cumprod(self.scheduler.config)
        self.objective = Diffusion(
            rescale(alphas) if zero_terminal_snr else alphas, cast(PredictionType, prediction), snr_gamma
        )

        if zero_terminal_snr:
            self.scheduler = _sampled_from_pure_noise(self.scheduler.config)

    @cached_property
    def denoiser(self) -> Any:
        """The U-Net."""
        return load_component(self.source, "unet", self.dtype).to(self.device)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_component(self.source, "tokenizer", self.dtype)

    def tokenizer(self) -> Any:
        """CLIP's tokenizer."""
        return self._tokenizer

    @property
    def autoencoder(self) -> Any:
        """The autoencoder, always fp32: it runs once for each picture, and SD's overflows in fp16."""
        if self._autoencoder is None:
            self._autoencoder = load_component(self.source, "vae", torch.float32).to(self.device)
        return self._autoencoder

    @property
    def text_encoders(self) -> Mapping[str, nn.Module]:
        """CLIP's text encoder."""
        if self._text_encoder is None:
            self._text_encoder = load_component(self.source, "text_encoder", self.dtype).to(self.device)
        return {"text_encoder": cast(nn.Module, self._text_encoder)}

    @property
    def lora_targets(self) -> Mapping[str, Sequence[str]]:
        """Layer names by set."""
        return {
            "attention": ATTENTION,
            "all-linear": LINEAR,
            "all-linear-conv": (*LINEAR, *CONV),
            "text_encoder": ("q_proj", "k_proj", "v_proj", "out_proj"),
        }

    @property
    def size_multiple(self) -> int:
        """The autoencoder's factor times the U-Net's."""
        return int(self._factor * 2 ** (len(self._denoiser_config["block_out_channels"]) - 1))

    @cached_property
    def _denoiser_config(self) -> dict[str, Any]:
        return component_config(self.source, "unet")

    @cached_property
    def _factor(self) -> int:
        return int(2 ** (len(component_config(self.source, "vae")["block_out_channels"]) - 1))

    @property
    def resolution(self) -> int:
        """The U-Net's sample size in pixels."""
        return int(self._denoiser_config["sample_size"]) * self._factor

    @torch.no_grad()
    def encode_images(self, pixels: Tensor) -> Posterior:
        """Scaled by the autoencoder's factor and shift."""
        config = self.autoencoder.config
        posterior = self.autoencoder.encode(pixels.to(self.device, torch.float32)).latent_dist
        shift = getattr(config, "shift_factor", None) or 0.0
        return Posterior(
            ((posterior.mean - shift) * config.scaling_factor).cpu(), (posterior.std * config.scaling_factor).cpu()
        )

    @torch.no_grad()
    def decode_images(self, latents: Tensor) -> list[Image.Image]:
        """Through the fp32 autoencoder."""
        config = self.autoencoder.config
        shift = getattr(config, "shift_factor", None) or 0.0
        pixels = self.autoencoder.decode(latents.to(self.device, torch.float32) / config.scaling_factor + shift).sample
        bytes_ = pixels.clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
        return [Image.fromarray(picture) for picture in bytes_]

    def encode_prompts(self, prompts: Sequence[str]) -> TextEmbedding:
        """Last hidden state, padded to the model's length."""
        tokens = self._tokenizer(
            list(prompts),
            padding="max_length",
            truncation=True,
            max_length=self._tokenizer.model_max_length,
            return_tensors="pt",
        )
        encoder = self.text_encoders["text_encoder"]
        mask = tokens.attention_mask.to(self.device) if getattr(encoder.config, "use_attention_mask", False) else None
        return TextEmbedding(encoder(tokens.input_ids.to(self.device), attention_mask=mask).last_hidden_state)

    def predict(self, noisy: Tensor, timesteps: Tensor, text: TextEmbedding) -> Tensor:
        """The U-Net in its own precision; fp32 comes back."""
        out = self.denoiser(noisy.to(self.dtype), timesteps, text.hidden.to(self.dtype), return_dict=False)[0]
        return cast(Tensor, out).float()

    def pipeline(self) -> Any:
        """``StableDiffusionPipeline`` without a safety checker."""
        from diffusers import StableDiffusionPipeline

        pipeline = StableDiffusionPipeline(
            vae=self.autoencoder,
            text_encoder=self.text_encoders["text_encoder"],
            tokenizer=self._tokenizer,
            unet=self.denoiser,
            scheduler=self.scheduler,
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
        pipeline.set_progress_bar_config(disable=True)
        return pipeline

    def free_encoders(self, *, keep_text: bool) -> None:
        """They come back when asked for."""
        self._autoencoder = None
        if not keep_text:
            self._text_encoder = None

    def fingerprint(self, part: str) -> str:
        """Digest of the component's weight files."""
        if part not in self._fingerprints:
            component = {"denoiser": "unet", "autoencoder": "vae", "text": "text_encoder"}[part]
            self._fingerprints[part] = component_digest(self.source, component)
        return self._fingerprints[part]


def _sampled_from_pure_noise(config: Any) -> Any:
    """The forward process as trained with zero-terminal SNR; sampling must start at its last step, too."""
    from diffusers import DDPMScheduler

    return DDPMScheduler.from_config(config, rescale_betas_zero_snr=True, timestep_spacing="trailing")


def _alphas_cumprod(config: Any) -> Tensor:
    from diffusers import DDPMScheduler

    return cast(Tensor, DDPMScheduler.from_config(config).alphas_cumprod).float()
