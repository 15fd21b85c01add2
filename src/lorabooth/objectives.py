"""What is learned from a noised picture: forward process, target, weights, the DreamBooth loss.

Pure functions over tensors; nothing here knows of models, files or options.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

PredictionType = Literal["epsilon", "v_prediction"]


class Noised(NamedTuple):
    """A batch on its way through the forward process.

    noisy, target [b, c, h, w]; timesteps [b] (int64); weight [b], the loss weight of each sample.
    """

    noisy: Tensor
    timesteps: Tensor
    target: Tensor
    weight: Tensor


class Losses(NamedTuple):
    """total = instance + λ·prior; each a scalar; prior is 0 without class images."""

    total: Tensor
    instance: Tensor
    prior: Tensor


class Objective(Protocol):
    """A forward process together with what the denoiser predicts."""

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Numbers [b] in 0…1 → timesteps [b] as the denoiser takes them."""
        ...

    def noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Noised:
        """Mixes latents [b, c, h, w] with noise of the same shape at the given timesteps."""
        ...


@dataclass(frozen=True)
class Diffusion:
    """Variance-preserving diffusion with discrete steps (DDPM, arXiv 2006.11239).

    ``alphas_cumprod`` [steps] fp32; the denoiser predicts ε or v (arXiv 2202.00512, eq. 11);
    ``snr_gamma`` turns on Min-SNR weighting (arXiv 2303.09556).
    """

    alphas_cumprod: Tensor
    prediction: PredictionType = "epsilon"
    snr_gamma: float | None = None

    def timesteps(self, uniform: Tensor) -> Tensor:
        """Uniform over the discrete steps."""
        return (uniform * len(self.alphas_cumprod)).long().clamp(max=len(self.alphas_cumprod) - 1)

    def noise(self, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Noised:
        """x_t = √ᾱ·x + √(1−ᾱ)·ε, with the target of the prediction type."""
        alpha_bar = self.alphas_cumprod.to(latents.device)[timesteps]
        signal, sigma = (root.view(-1, 1, 1, 1) for root in (alpha_bar.sqrt(), (1 - alpha_bar).sqrt()))
        noisy = signal * latents + sigma * noise
        target = noise if self.prediction == "epsilon" else signal * noise - sigma * latents
        return Noised(noisy, timesteps, target, self._weight(alpha_bar))

    def _weight(self, alpha_bar: Tensor) -> Tensor:
        if self.snr_gamma is None:
            return torch.ones_like(alpha_bar)
        snr = alpha_bar / (1 - alpha_bar).clamp(min=1e-12)
        clipped = snr.clamp(max=self.snr_gamma)
        return clipped / snr.clamp(min=1e-12) if self.prediction == "epsilon" else clipped / (snr + 1)


def zero_terminal_snr(alphas_cumprod: Tensor) -> Tensor:
    """Shifts and scales √ᾱ so that the last step holds no signal (arXiv 2305.08891, algorithm 1)."""
    root = alphas_cumprod.double().sqrt()
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])).square().float()


def offset_noise(noise: Tensor, offset: Tensor, strength: float) -> Tensor:
    """Adds ``strength`` times a constant per sample and channel, offset [b, c, 1, 1] (N. Guttenberg 2023)."""
    return noise + strength * offset if strength else noise


def dreambooth_loss(predicted: Tensor, noised: Noised, is_class: Tensor, prior_weight: float) -> Losses:
    """L = mean over photos + λ · mean over class images of the weighted squared error (arXiv 2208.12242, eq. 2).

    predicted [b, c, h, w]; is_class [b] bool. With λ = 0 the class images must not be in the batch at all.
    """
    error = (predicted.float() - noised.target.float()).square().mean((1, 2, 3)) * noised.weight
    instance = error[~is_class].mean()
    if not bool(is_class.any()):
        return Losses(instance, instance, torch.zeros_like(instance))
    prior = error[is_class].mean()
    return Losses(instance + prior_weight * prior, instance, prior)
