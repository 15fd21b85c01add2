"""The formulas against diffusers' own on the same numbers."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler
from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr
from diffusers.training_utils import compute_snr
from torch import Tensor
from torch.testing import assert_close

from lorabooth.objectives import Diffusion, Noised, dreambooth_loss, offset_noise, zero_terminal_snr


@pytest.fixture
def scheduler() -> Any:
    return DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")


@pytest.fixture
def batch() -> tuple[Tensor, Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    latents, noise = (torch.randn(6, 4, 8, 8, generator=random) for _ in range(2))
    return latents, noise, torch.tensor([0, 1, 250, 500, 998, 999])


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
def test_noise_and_target_equal_diffusers(scheduler: Any, batch: tuple[Tensor, ...], prediction: Any) -> None:
    latents, noise, timesteps = batch
    noised = Diffusion(scheduler.alphas_cumprod, prediction).noise(latents, noise, timesteps)
    assert_close(noised.noisy, scheduler.add_noise(latents, noise, timesteps))
    expected = noise if prediction == "epsilon" else scheduler.get_velocity(latents, noise, timesteps)
    assert_close(noised.target, expected)
    assert noised.weight.equal(torch.ones(6))
    assert noised.timesteps.equal(timesteps)


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weights_equal_those_of_the_diffusers_scripts(
    scheduler: Any, batch: tuple[Tensor, ...], prediction: Any, gamma: float
) -> None:
    latents, noise, timesteps = batch
    snr = compute_snr(scheduler, timesteps)
    smallest = torch.stack([snr, torch.full_like(snr, gamma)], dim=1).min(dim=1)[0]
    expected = smallest / snr if prediction == "epsilon" else smallest / (snr + 1)
    noised = Diffusion(scheduler.alphas_cumprod, prediction, gamma).noise(latents, noise, timesteps)
    assert_close(noised.weight, expected, rtol=1e-4, atol=1e-6)


def test_zero_terminal_snr_equals_diffusers(scheduler: Any) -> None:
    ours = zero_terminal_snr(scheduler.alphas_cumprod)
    betas = rescale_zero_terminal_snr(scheduler.betas)
    assert_close(ours, torch.cumprod(1 - betas, 0), rtol=1e-4, atol=1e-6)
    assert ours[-1] == 0
    assert_close(ours[0], scheduler.alphas_cumprod[0])


def test_the_last_step_of_zero_terminal_snr_is_pure_noise(scheduler: Any, batch: tuple[Tensor, ...]) -> None:
    latents, noise, timesteps = batch
    objective = Diffusion(zero_terminal_snr(scheduler.alphas_cumprod), "v_prediction", 5.0)
    noised = objective.noise(latents, noise, timesteps)
    assert noised.noisy[-1].equal(noise[-1])
    assert_close(noised.target[-1], -latents[-1])
    assert noised.weight.isfinite().all()


def test_timesteps_are_uniform_over_all_steps(scheduler: Any) -> None:
    objective = Diffusion(scheduler.alphas_cumprod)
    assert objective.timesteps(torch.tensor([0.0, 0.0005, 0.5, 0.9999999, 1.0])).tolist() == [0, 0, 500, 999, 999]
    counts = objective.timesteps((torch.arange(10_000) + 0.5) / 10_000).bincount()
    assert counts.tolist() == [10] * 1000


def noised(target: Tensor, weight: list[float]) -> Noised:
    return Noised(target, torch.zeros(len(target)), target, torch.tensor(weight))


def test_dreambooth_loss_by_hand() -> None:
    """Errors 1, 4, 9, 16 for two photos and two class images, with weights."""
    predicted = torch.tensor([1.0, 2.0, 3.0, 4.0]).view(4, 1, 1, 1).expand(4, 4, 8, 8)
    target = noised(torch.zeros(4, 4, 8, 8), [1, 0.5, 1, 2])
    losses = dreambooth_loss(predicted, target, torch.tensor([False, False, True, True]), 0.1)
    assert losses.instance == pytest.approx((1 + 4 * 0.5) / 2)
    assert losses.prior == pytest.approx((9 + 16 * 2) / 2)
    assert losses.total == pytest.approx(1.5 + 0.1 * 20.5)


def test_dreambooth_loss_without_class_images_is_the_plain_mean() -> None:
    predicted, target = torch.randn(2, 3, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    losses = dreambooth_loss(predicted, noised(target, [1, 1, 1]), torch.zeros(3, dtype=torch.bool), 1.0)
    assert_close(losses.total, torch.nn.functional.mse_loss(predicted, target))
    assert losses.total.equal(losses.instance)
    assert losses.prior == 0


def test_class_images_of_weight_0_leave_loss_and_gradient_of_the_photos() -> None:
    random = torch.Generator().manual_seed(0)
    predicted, target = torch.randn(2, 4, 4, 8, 8, generator=random)
    predicted.requires_grad_()
    losses = dreambooth_loss(predicted, noised(target, [1] * 4), torch.tensor([False, False, True, True]), 0.0)
    losses.total.backward()
    gradient = predicted.grad
    assert gradient is not None
    predicted.grad = None
    dreambooth_loss(predicted[:2], noised(target[:2], [1, 1]), torch.zeros(2, dtype=torch.bool), 1.0).total.backward()
    assert predicted.grad is not None
    assert gradient.equal(predicted.grad)


def test_half_precision_predictions_are_compared_in_fp32() -> None:
    predicted = torch.full((1, 4, 8, 8), 300.0, dtype=torch.float16)
    target = noised(torch.zeros(1, 4, 8, 8, dtype=torch.float16), [1])
    assert dreambooth_loss(predicted, target, torch.tensor([False]), 1.0).total == 90_000


def test_offset_noise() -> None:
    noise, offset = torch.zeros(2, 4, 8, 8), torch.arange(8.0).view(2, 4, 1, 1)
    shifted = offset_noise(noise, offset, 0.1)
    assert_close(shifted, (offset * 0.1).expand(2, 4, 8, 8))
    assert offset_noise(noise, offset, 0) is noise
