"""Model families behind one protocol; ``load`` picks the one a base model belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lorabooth.errors import InputError
from lorabooth.families.source import ModelSource, find_model

if TYPE_CHECKING:
    import torch
    from PIL import Image
    from torch import Tensor, nn

    from lorabooth.objectives import Objective


class TextEmbedding(NamedTuple):
    """What the text encoders make of prompts: hidden [b, tokens, width]; pooled [b, width] where the family has it."""

    hidden: Tensor
    pooled: Tensor | None = None


class Posterior(NamedTuple):
    """The autoencoder's posterior, already scaled as the denoiser wants it: mean and deviation [b, c, h, w]."""

    mean: Tensor
    deviation: Tensor


class Family(Protocol):
    """One base model, frozen, with everything the trainer and the generator ask of it.

    Encoders are loaded when first asked for, and again after ``free_encoders``.
    """

    name: str
    source: ModelSource
    dtype: torch.dtype
    device: torch.device

    @property
    def size_multiple(self) -> int:
        """Width and height of a picture must be multiples of this."""
        ...

    @property
    def resolution(self) -> int:
        """Side of the pictures the base model was trained on."""
        ...

    @property
    def objective(self) -> Objective:
        """Forward process and target, with the options given to ``load``."""
        ...

    @property
    def denoiser(self) -> nn.Module:
        """The network that receives the adapter; called by ``predict`` and by ``pipeline``."""
        ...

    @property
    def text_encoders(self) -> Mapping[str, nn.Module]:
        """Text encoders by their name in adapter files (`text_encoder`, `text_encoder_2`)."""
        ...

    @property
    def lora_targets(self) -> Mapping[str, Sequence[str]]:
        """Names of layers for `attention`, `all-linear`, `all-linear-conv` and `text_encoder`, as peft takes them."""
        ...

    def tokenizer(self) -> Any:
        """The (first) tokenizer."""
        ...

    def encode_images(self, pixels: Tensor) -> Posterior:
        """Pictures [b, 3, h, w] in -1…1, any device → posterior of their latents, fp32, on the CPU."""
        ...

    def decode_images(self, latents: Tensor) -> list[Image.Image]:
        """Scaled latents [b, c, h, w] → pictures."""
        ...

    def encode_prompts(self, prompts: Sequence[str]) -> TextEmbedding:
        """Prompts → embeddings on the family's device, with gradients where the text encoder is trained."""
        ...

    def predict(self, noisy: Tensor, timesteps: Tensor, text: TextEmbedding) -> Tensor:
        """The denoiser's prediction for noisy latents [b, c, h, w]; what it predicts is the objective's affair."""
        ...

    def pipeline(self) -> Any:
        """A diffusers pipeline that shares these very modules (encoders are loaded for it)."""
        ...

    def free_encoders(self, *, keep_text: bool) -> None:
        """Drops the autoencoder, and the text encoders unless ``keep_text``."""
        ...

    def fingerprint(self, part: str) -> str:
        """A digest of the weight files of `denoiser`, `autoencoder` or `text`, wherever they lie."""
        ...


REGISTRY = {"StableDiffusionPipeline": "stable_diffusion"}


def load(
    base: str,
    *,
    revision: str | None = None,
    variant: str | None = None,
    prediction: str | None = None,
    dtype: torch.dtype,
    device: torch.device,
    snr_gamma: float | None = None,
    zero_terminal_snr: bool = False,
) -> Family:
    """Finds the base model ``base`` and wraps it in its family.

    Raises:
        InputError: no such model, a half-downloaded one, or one of a family that is not supported.
    """
    source = find_model(base, revision=revision, variant=variant, prediction=prediction)
    module = REGISTRY.get(source.pipeline_class)
    if module is None:
        known = ", ".join(sorted(REGISTRY))
        raise InputError(f"{base} is a {source.pipeline_class}; supported are {known}.")
    family: Family = import_module(f"lorabooth.families.{module}").build(
        source, dtype=dtype, device=device, snr_gamma=snr_gamma, zero_terminal_snr=zero_terminal_snr
    )
    return family
