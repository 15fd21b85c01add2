"""From a config to a trainer: photos, model, class images, encodings, adapter, optimizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from lorabooth import families
from lorabooth.config import TrainConfig
from lorabooth.data.cache import Encoder, Store, default_folder, digest
from lorabooth.data.class_images import ClassImageSettings, fill, open_set
from lorabooth.data.dataset import Draw, DreamBoothDataset, Example
from lorabooth.data.photos import PhotoFolder, augmentations, pixels, read_photos
from lorabooth.data.prompts import check_identifier, check_prompts, instance_prompts
from lorabooth.families import Family
from lorabooth.generation import Sampler, check_size
from lorabooth.lora.adapter import Adapter, attach
from lorabooth.training.engine import Engine
from lorabooth.training.events import ClassImagesEvent
from lorabooth.training.loop import LoopSettings, Trainer
from lorabooth.training.optimizer import Group, build_optimizer, learning_rate_factor

RECOMPUTE = ("enable_gradient_checkpointing", "activation_checkpointing_enable", "gradient_checkpointing_enable")
"""How diffusers, transformers and older transformers call it."""


@dataclass(frozen=True)
class Subject:
    """Photos and their prompts, checked before any weight is loaded."""

    folder: PhotoFolder
    prompts: tuple[str, ...]
    warnings: list[str] = field(default_factory=list)

    def examples(self) -> list[Example]:
        """Each photo with its prompt."""
        return [
            Example(p.sha256, prompt, partial(pixels, p))
            for p, prompt in zip(self.folder.photos, self.prompts, strict=True)
        ]


def read_subject(config: TrainConfig) -> Subject:
    """Reads photos and captions.

    Raises:
        InputError: no usable photo, a caption missing, or a prompt without identifier or class noun.
    """
    s = config.subject
    folder = read_photos(s.photos)
    prompts = instance_prompts(folder.photos, s.captions, s.identifier, s.class_noun, s.prompt)
    warnings = check_prompts(prompts, s.identifier, s.class_noun, config.class_prompt if config.with_prior else None)
    return Subject(folder, prompts, [*(f"{i.path.name} is left out: {i.reason}." for i in folder.ignored), *warnings])


def load_family(config: TrainConfig, engine: Engine) -> Family:
    """The base model of the config, on the engine's device and in its number format."""
    return families.load(
        config.model.base,
        revision=config.model.revision,
        variant=config.model.variant,
        prediction=config.model.prediction_type,
        dtype=engine.dtype,
        device=engine.device,
        snr_gamma=config.objective.snr_gamma,
        zero_terminal_snr=config.objective.zero_terminal_snr,
    )


def resolution_of(config: TrainConfig, family: Family) -> int:
    """Side of the training pictures, checked against the model."""
    size = config.training.resolution or family.resolution
    check_size(family, size, size)
    return size


def class_examples(
    config: TrainConfig, family: Family, engine: Engine, stop: Callable[[], bool]
) -> Iterator[ClassImagesEvent | list[Example]]:
    """Draws what the class-image set lacks, reporting progress; the last item is the list of examples.

    There is no list where ``stop`` asked to end early.
    """
    if not config.with_prior:
        yield []
        return
    size = resolution_of(config, family)
    settings = ClassImageSettings(
        prompt=config.class_prompt,
        base=family.source.name,
        fingerprint=digest(*(family.fingerprint(part) for part in ("denoiser", "autoencoder", "text"))),
        sampler=Sampler(steps=config.prior.steps, guidance_scale=config.prior.guidance_scale, width=size, height=size),
        precision=str(engine.dtype).removeprefix("torch."),
        batch_size=config.prior.batch_size,
    )
    images = open_set(config.prior.folder or default_folder() / "class-images", settings, config.prior.images)
    if engine.is_main:
        for ready, wanted in fill(images, lambda: family):
            yield ClassImagesEvent(ready, wanted)
            if stop():
                break
    if engine.any(stop()):
        return
    yield [Example(sha, settings.prompt, partial(_read, path)) for path, sha in images.files()]


def _read(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def encode(config: TrainConfig, family: Family, dataset: DreamBoothDataset) -> Encoder:
    """The encoder with everything already in its cache; encoders that are not trained are freed."""
    live = config.lora.text_encoder
    folder = default_folder() / "encoded" if config.training.cache else None
    encoder = Encoder(
        family, resolution_of(config, family), Store(folder), config.training.seed, config.training.cache, live
    )
    variants = augmentations(config.subject.crop, config.subject.flip)
    encoder.warm([Draw(0, "instance", e, a) for e in dataset.instances for a in variants])
    encoder.warm([Draw(0, "class", e, augmentations("center", False)[0]) for e in dataset.classes])
    if config.training.cache:
        family.free_encoders(keep_text=live)
    return encoder


def attach_adapter(config: TrainConfig, family: Family) -> Adapter:
    """LoRA layers on the parts that the config names."""
    lora = config.lora
    modules = {"denoiser": family.denoiser}
    targets = {"denoiser": tuple(family.lora_targets[lora.targets])}
    if lora.text_encoder:
        modules["text_encoder"] = family.text_encoders["text_encoder"]
        targets["text_encoder"] = tuple(family.lora_targets["text_encoder"])
    if config.training.gradient_checkpointing:
        for module in modules.values():
            next(getattr(module, name) for name in RECOMPUTE if hasattr(module, name))()
    return attach(
        modules,
        targets,
        ranks={"denoiser": lora.rank, "text_encoder": lora.text_encoder_rank or lora.rank},
        alpha=lora.alpha,
        dropout=lora.dropout,
        init=lora.init,
        seed=config.training.seed,
    )


def build_trainer(
    config: TrainConfig, family: Family, dataset: DreamBoothDataset, encoder: Encoder, engine: Engine
) -> Trainer:
    """Adapter, optimizer, schedule and average around a family and its data."""
    o, t = config.optimizer, config.training
    adapter = attach_adapter(config, family)
    per_step = t.batch_size * t.gradient_accumulation * engine.processes if o.scale_learning_rate else 1
    rates = {"denoiser": o.learning_rate * per_step, "text_encoder": o.text_encoder_learning_rate * per_step}
    groups = [Group(params=adapter.parameters(part), lr=rates[part]) for part in adapter.modules]
    optimizer = build_optimizer(
        o.name,
        groups,
        betas=(o.beta1, o.beta2),
        weight_decay=o.weight_decay,
        epsilon=o.epsilon,
    )
    factor = learning_rate_factor(
        o.schedule, steps=t.steps, warmup_steps=o.warmup_steps, cycles=o.cycles, power=o.power
    )
    settings = LoopSettings(
        t.steps,
        t.batch_size,
        t.gradient_accumulation,
        t.seed,
        config.prior.weight,
        config.objective.noise_offset,
        o.max_grad_norm,
    )
    trainer = Trainer(
        family, adapter, encoder, dataset, optimizer, [rates[p] for p in adapter.modules], factor, engine, settings
    )
    if config.ema.enabled:
        from diffusers.training_utils import EMAModel

        e = config.ema
        trainer.average = EMAModel(
            trainer.parameters,
            decay=e.max_value,
            min_decay=e.min_value,
            use_ema_warmup=True,
            inv_gamma=e.inv_gamma,
            power=e.power,
        )
    return trainer


def identifier_warnings(config: TrainConfig, family: Family) -> list[str]:
    """What the model's tokenizer says of the identifier."""
    return check_identifier(config.subject.identifier, family.tokenizer(), config.subject.class_noun)


def set_training(trainer: Trainer, mode: bool) -> None:
    """Dropout on or off in adapted modules; schedule-free optimizers swap their two sets of weights."""
    for module in trainer.adapter.modules.values():
        module.train(mode)
    swap = getattr(trainer.optimizer, "train" if mode else "eval", None)
    if swap:
        swap()


def torch_threads_note() -> str:
    """Device description for the user."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else f"CPU, {torch.get_num_threads()} threads"
