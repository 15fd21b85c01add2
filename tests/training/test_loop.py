"""One step by hand, and what must not change it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from runs import Trained, assert_same_weights, make_config, run
from torch import Tensor
from torch.testing import assert_close

from lorabooth.data.dataset import DreamBoothDataset
from lorabooth.errors import InputError, MachineError
from lorabooth.randomness import generator
from lorabooth.training.engine import Engine, choose_dtype, cpu_bf16_is_fast
from lorabooth.training.loop import Trainer, noise_batch, train
from lorabooth.training.setup import build_trainer, encode, load_family, read_subject, set_training


def make_trainer(base: Path, photos: Path, output: Path, **options: Any) -> Trainer:
    config = make_config(base, photos, output, **options)
    engine = Engine(config.training.precision)
    family = load_family(config, engine)
    stream = DreamBoothDataset(read_subject(config).examples(), [], config.training.seed)
    trainer = build_trainer(config, family, stream, encode(config, family, stream), engine)
    set_training(trainer, True)
    return trainer


def test_the_first_loss_by_diffusers_alone(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """B is zero at first, so the loss is that of the base model on noise from (seed, position)."""
    trainer = make_trainer(tiny_sd, photos, tmp_path, training__batch_size=2, training__seed=9)
    draws = trainer.dataset.micro_batch(range(2))
    latents, text = trainer.encoder.latents(draws), trainer.encoder.text(draws).hidden
    noise = torch.stack([torch.randn(4, 8, 8, generator=generator(9, p, "noise/instance")) for p in range(2)])
    uniform = [float(torch.rand((), generator=generator(9, p, "timestep/instance"))) for p in range(2)]
    timesteps = torch.tensor([int(u * 1000) for u in uniform])
    noisy = DDPMScheduler.from_pretrained(tiny_sd, subfolder="scheduler").add_noise(latents, noise, timesteps)
    with torch.no_grad():
        predicted = UNet2DConditionModel.from_pretrained(tiny_sd, subfolder="unet")(noisy, timesteps, text).sample
    event = next(train(trainer))
    assert event.loss == pytest.approx(float((predicted - noise).square().mean()), rel=1e-5)
    assert event.instance_loss == event.loss
    assert event.grad_norm > 0


def test_noise_belongs_to_the_position_and_not_to_the_batch(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tiny_sd, photos, tmp_path)
    draws = trainer.dataset.micro_batch(range(6))
    latents = trainer.encoder.latents(draws)

    def noised(numbers: list[int], seed: int = 0, offset: float = 0.0) -> tuple[Tensor, Tensor]:
        made = noise_batch(trainer.family, latents[numbers], [draws[n] for n in numbers], seed, offset)
        return made.noisy, made.timesteps

    together = noised([0, 1, 2, 3, 4, 5])
    for number in (0, 3, 5):
        noisy, timesteps = noised([number])
        assert noisy[0].equal(together[0][number])
        assert timesteps[0] == together[1][number]
    assert not noised([0], seed=1)[0].equal(noised([0])[0])
    shift = noised([0], offset=0.5)[0] - noised([0])[0]
    constant = shift[0].flatten(1)
    assert_close(constant, constant[:, :1].expand_as(constant), rtol=1e-3, atol=1e-6)
    assert len({round(float(c), 5) for c in constant[:, 0]}) == 4


def test_training_stays_away_from_the_frozen_weights(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tiny_sd, photos, tmp_path, lora__text_encoder=True)
    base = UNet2DConditionModel.from_pretrained(tiny_sd, subfolder="unet").state_dict()
    list(train(trainer))
    after = {
        k.replace(".base_layer", ""): v for k, v in trainer.family.denoiser.state_dict().items() if "lora_" not in k
    }
    assert_same_weights(after, base)


def train_with(base: Path, photos: Path, folder: Path, **options: Any) -> Trained:
    return run(make_config(base, photos, folder, **options))


def test_options_that_change_the_steps_do(tiny_sd2: Path, photos: Path, tmp_path: Path) -> None:
    """Each is really used, and by itself."""
    options: dict[str, dict[str, Any]] = {
        "none": {},
        "seed": {"training__seed": 1},
        "offset": {"objective__noise_offset": 0.1},
        "min-snr": {"objective__snr_gamma": 1},
        "zero terminal": {"objective__zero_terminal_snr": True},
        "dropout": {"lora__dropout": 0.5},
        "flip": {"subject__flip": True},
        "crop": {"subject__crop": "random"},
        "prompt": {"subject__instance_prompt": "a drawing of sks dog"},
        "accumulation": {"training__gradient_accumulation": 2},
        "init": {"lora__init": "gaussian"},
        "alpha": {"lora__alpha": 8},
        "average": {"ema__enabled": True},
    }
    results = {}
    for name, changed in options.items():
        made = train_with(tiny_sd2, photos, tmp_path / name, training__steps=2, training__batch_size=3, **changed)
        results[name] = torch.cat([v.flatten() for _, v in sorted(made.weights.items())])
    names = list(results)
    alike = [(a, b) for i, a in enumerate(names) for b in names[:i] if results[a].equal(results[b])]
    assert not alike


def test_the_average_is_diffusers_of_the_weights(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    """decay = 1 − (1 + step / inv_gamma)^−power, within min…max."""
    options: dict[str, Any] = {"output__checkpoint_every": 1, "training__steps": 4}
    plain = train_with(tiny_sd, photos, tmp_path / "plain", **options)
    averaged = train_with(
        tiny_sd,
        photos,
        tmp_path / "average",
        ema__enabled=True,
        ema__inv_gamma=0.5,
        ema__power=0.6,
        ema__max_value=0.7,
        **options,
    )
    assert [s.loss for s in plain.steps] == [s.loss for s in averaged.steps]
    states = [
        torch.load(plain.folder.checkpoints / f"step-{n:06d}/state.pt", weights_only=True)["adapter"]
        for n in range(1, 5)
    ]
    expected = dict(states[0])
    for step, state in enumerate(states[1:], 1):
        decay = min(0.7, 1 - (1 + step / 0.5) ** -0.6)
        expected = {k: decay * v + (1 - decay) * state[k] for k, v in expected.items()}
    assert_close(averaged.weights, expected, rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("text_encoder", [False, True])
def test_gradient_checkpointing_gives_nearly_the_same_weights(
    tiny_sd: Path, photos: Path, tmp_path: Path, text_encoder: bool
) -> None:
    options: dict[str, Any] = {"lora__text_encoder": text_encoder, "lora__dropout": 0.2, "training__steps": 2}
    kept, recomputed = (
        train_with(tiny_sd, photos, tmp_path / str(on), training__gradient_checkpointing=on, **options)
        for on in (False, True)
    )
    assert_close([s.loss for s in recomputed.steps], [s.loss for s in kept.steps], rtol=1e-5, atol=0)
    assert_close([s.grad_norm for s in recomputed.steps], [s.grad_norm for s in kept.steps], rtol=1e-4, atol=0)
    moved = {k.split(".")[0] for k, v in recomputed.weights.items() if "lora_B" in k and v.any()}
    assert moved == ({"unet", "text_encoder"} if text_encoder else {"unet"})


def test_gradient_checkpointing_recomputes(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trainer = make_trainer(
        tiny_sd, photos, tmp_path, training__gradient_checkpointing=True, lora__text_encoder=True, training__steps=1
    )
    calls = {"unet": 0, "text_encoder": 0}
    resnet = trainer.family.denoiser.up_blocks[0].resnets[0]  # type: ignore[union-attr, index]
    layer = next(
        m for n, m in trainer.family.text_encoders["text_encoder"].named_modules() if n.endswith("layers.0.mlp")
    )

    def count(name: str) -> Any:
        return lambda *_: calls.update({name: calls[name] + 1})

    resnet.register_forward_pre_hook(count("unet"))
    layer.register_forward_pre_hook(count("text_encoder"))
    list(train(trainer))
    assert calls == {"unet": 2, "text_encoder": 2}


def test_zero_terminal_snr_is_refused_for_epsilon(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"needs a v-prediction model; .* predicts epsilon"):
        train_with(tiny_sd, photos, tmp_path / "run", objective__zero_terminal_snr=True)
    assert not (tmp_path / "run").exists()


def test_a_loss_that_is_no_number_stops_the_run(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"The loss became (nan|inf) at step [23]") as caught:
        train_with(
            tiny_sd,
            photos,
            tmp_path / "run",
            optimizer__learning_rate=1e30,
            optimizer__max_grad_norm=0,
            output__checkpoint_every=1,
            lora__targets="all-linear-conv",
        )
    assert caught.value.exit_code == 3
    whole = sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir())
    assert whole[0] == "step-000001"
    assert not (tmp_path / "run" / "lora.safetensors").exists()


# --- precision


def test_number_formats() -> None:
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) is torch.float32
    assert choose_dtype("fp32", cpu) is torch.float32
    assert choose_dtype("fp16", torch.device("cuda")) is torch.float16
    with pytest.raises(InputError, match="fp16 needs a GPU"):
        choose_dtype("fp16", cpu)
    if cpu_bf16_is_fast():
        assert choose_dtype("bf16", cpu) is torch.bfloat16
    else:
        with pytest.raises(InputError, match="no bf16 hardware"):
            choose_dtype("bf16", cpu)


@pytest.mark.skipif(not cpu_bf16_is_fast(), reason="this CPU has no bf16")
def test_bf16_trains_fp32_adapters_on_a_bf16_model(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"lora__text_encoder": True, "prior__weight": 1, "training__steps": 3}
    half, full = (
        train_with(tiny_sd, photos, tmp_path / precision, training__precision=precision, **options)
        for precision in ("bf16", "fp32")
    )
    assert_close([s.loss for s in half.steps], [s.loss for s in full.steps], rtol=0.05, atol=0)
    assert all(v.dtype is torch.float32 for v in half.weights.values())
    assert any((v != v.bfloat16().float()).any() for v in half.weights.values())


def test_the_state_is_tensors_and_numbers(tiny_sd: Path, photos: Path, tmp_path: Path) -> None:
    trainer = make_trainer(tiny_sd, photos, tmp_path, ema__enabled=True)
    next(train(trainer))
    torch.save(trainer.state(), tmp_path / "state.pt")
    other = make_trainer(tiny_sd, photos, tmp_path, ema__enabled=True)
    other.load(torch.load(tmp_path / "state.pt", weights_only=True))
    assert other.step == 1
    assert [e.loss for e in train(other)] == [e.loss for e in train(trainer)]
    assert_same_weights(other.adapter.state(), trainer.adapter.state())
