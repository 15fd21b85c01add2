"""The 53 parameters of the origin's `train.py`, each with its equal here; docs/origin.md shows this table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lorabooth.errors import InputError

MAX_SAMPLES = 1000
_CLASS_IMAGES = 100  # the origin's default, and ours


@dataclass(frozen=True)
class Given:
    """The parameters that a file gives, and what is known beside them."""

    parameters: Mapping[str, Any]
    photo_count: int | None = None

    def __contains__(self, name: str) -> bool:
        """Whether the file gives the parameter."""
        return name in self.parameters

    def get(self, name: str, default: Any = None) -> Any:
        """The file's value, else the table's, else ``default``."""
        value = self.parameters.get(name, FLAGS[name].default)
        return default if value is None else value


def _as_is(value: Any, _: Given) -> Any:
    return value


def _never(_value: Any, _given: Given) -> bool:
    return False


def _if_on(value: Any, _: Given) -> bool:
    return value is not None and value is not False


@dataclass(frozen=True)
class Flag:
    """A row of the table: one parameter of the origin and its equal here.

    Attributes:
        kind: the type of its JSON value.
        option: dotted name of the equal; empty where none is needed, and then ``remark`` says why.
        remark: what differs; becomes a note where ``noted`` (value or None, given) holds.
        default: what the origin took for a parameter that isn't given; only where that decides the weights and
            differs from lorabooth's own default, else ``None``.
        translate: (value, given) → the option's value, or ``None`` to leave the option alone.
    """

    kind: type
    option: str
    remark: str = ""
    default: Any = None
    translate: Callable[[Any, Given], Any] = _as_is
    noted: Callable[[Any, Given], bool] = _never


def _without_equal(kind: type, why: str, noted: Callable[[Any, Given], bool] = _if_on) -> Flag:
    return Flag(kind, "", f"no option needed: {why}", noted=noted)


def _steps_of_epochs(epochs: int, given: Given) -> int | None:
    """An epoch of the origin passes once over the photos, or over the class images if those are more."""
    if "max_train_steps" in given:
        return None
    if given.photo_count is None:
        raise InputError(
            "The origin's file gives no `max_train_steps`, and the length of its epochs needs the number of photos.",
            "Write `max_train_steps` into the file.",
        )
    class_images = given.get("num_class_images", _CLASS_IMAGES) if given.get("with_prior_preservation") else 0
    batches = math.ceil(max(given.photo_count, class_images) / max(1, given.get("train_batch_size")))
    return int(epochs * math.ceil(batches / max(1, given.get("gradient_accumulation_steps", 1))))


def _seeds(count: int, given: Given) -> list[int]:
    if not 0 < count <= MAX_SAMPLES:
        raise InputError(f"`n_save_sample` is {count}, expected 1 to {MAX_SAMPLES}.")
    first = given.get("seed", 0)
    return list(range(first, first + count))


def _prompts(text: str, _: Given) -> list[str] | None:
    """Prompts between `//`; the notebook wrote `None` for no prompt."""
    return [part.strip() for part in text.split("//") if part.strip() not in ("", "None")] or None


def _is_constant(given: Given) -> bool:
    return bool(given.get("lr_scheduler", "constant") == "constant")


def _warmup(steps: int, given: Given) -> int | None:
    """A constant schedule that says nothing of a warm-up starts at once, as the origin's did."""
    return steps if "lr_warmup_steps" in given or not _is_constant(given) else None


FLAGS: dict[str, Flag] = {
    "pretrained_model_name_or_path": Flag(
        str,
        "model.base",
        "`runwayml/stable-diffusion-v1-5` was taken off the Hub in 2024; "
        "`model.base=stable-diffusion-v1-5/stable-diffusion-v1-5` is a copy",
        noted=lambda value, _: str(value).startswith("runwayml/"),
    ),
    "revision": Flag(str, "model.revision"),
    "tokenizer_name": _without_equal(str, "the model's own tokenizer is used, which its text encoder was made for"),
    "instance_data_dir": Flag(str, "subject.photos"),
    "class_data_dir": Flag(str, "prior.folder"),
    "instance_prompt": Flag(str, "subject.instance_prompt", "`subject.identifier` and `.class_noun` are read from it"),
    "class_prompt": Flag(str, "prior.prompt", "`subject.class_noun` is read from it"),
    "save_sample_prompt": Flag(str, "sampling.prompts", "several are split at `//`", translate=_prompts),
    "save_sample_negative_prompt": Flag(str, "sampling.negative_prompt"),
    "n_save_sample": Flag(
        int,
        "sampling.seeds",
        "that many seeds from `seed` on; the origin drew on from one generator",
        translate=_seeds,
        noted=_if_on,
    ),
    "save_interval": Flag(int, "output.checkpoint_every"),
    "save_min_steps": Flag(int, "output.checkpoint_from", translate=lambda steps, _: steps if steps > 0 else None),
    "save_guidance_scale": Flag(float, "sampling.guidance_scale"),
    "save_infer_steps": Flag(int, "sampling.steps"),
    "with_prior_preservation": Flag(
        bool, "prior.weight", "`false` is weight 0", default=False, translate=lambda on, _: None if on else 0.0
    ),
    "prior_loss_weight": Flag(
        float,
        "prior.weight",
        "has no effect without `with_prior_preservation`",
        translate=lambda weight, given: weight if given.get("with_prior_preservation") else None,
        noted=lambda value, given: value is not None and not given.get("with_prior_preservation"),
    ),
    "num_class_images": Flag(int, "prior.images"),
    "output_dir": Flag(str, "output.folder"),
    "seed": Flag(int, "training.seed", "not given: random in the origin, 0 here", noted=lambda value, _: value is None),
    "resolution": Flag(
        int, "training.resolution", "photos are resized, then cropped; the origin only cropped", default=512
    ),
    "augment_center_crop": Flag(
        bool,
        "subject.crop",
        "`true` is `center`, `false` is `random`",
        default=False,
        translate=lambda on, _: "center" if on else "random",
    ),
    "augment_hflip": Flag(bool, "subject.flip"),
    "train_text_encoder": Flag(bool, "lora.text_encoder"),
    "train_batch_size": Flag(int, "training.batch_size", default=4),
    "sample_batch_size": Flag(int, "prior.batch_size"),
    "num_train_epochs": Flag(
        int,
        "training.steps",
        "ignored where `max_train_steps` is given; else epochs × updates in one pass over photos or class images",
        default=1,
        translate=_steps_of_epochs,
        noted=lambda value, given: value is not None and "max_train_steps" in given,
    ),
    "max_train_steps": Flag(int, "training.steps"),
    "gradient_accumulation_steps": Flag(int, "training.gradient_accumulation"),
    "gradient_checkpointing": Flag(bool, "training.gradient_checkpointing"),
    "learning_rate": Flag(float, "optimizer.learning_rate", default=5e-6),
    "learning_rate_text": Flag(float, "optimizer.text_encoder_learning_rate", default=5e-6),
    "scale_lr": Flag(
        bool,
        "optimizer.scale_learning_rate",
        "`true` becomes `false`: `learning_rate` in the origin's file is scaled already, and the text encoder's never",
        translate=lambda _on, _given: False,
        noted=_if_on,
    ),
    "lr_scheduler": Flag(
        str,
        "optimizer.schedule",
        "`constant_with_warmup` is `constant`",
        translate=lambda name, _: "constant" if name == "constant_with_warmup" else name,
    ),
    "lr_warmup_steps": Flag(
        int,
        "optimizer.warmup_steps",
        "with `constant` the origin took no notice of it; `optimizer.warmup_steps=0` trains as it did",
        default=500,
        translate=_warmup,
        noted=lambda value, given: bool(value) and _is_constant(given),
    ),
    "lr_cosine_num_cycles": Flag(
        float,
        "optimizer.cycles",
        "left out with `cosine`, where the origin took no notice of it",
        translate=lambda cycles, given: None if given.get("lr_scheduler") == "cosine" else cycles,
        noted=lambda value, given: value is not None and given.get("lr_scheduler") == "cosine",
    ),
    "use_ema": Flag(bool, "ema.enabled"),
    "ema_inv_gamma": Flag(float, "ema.inv_gamma"),
    "ema_power": Flag(float, "ema.power"),
    "ema_min_value": Flag(float, "ema.min_value"),
    "ema_max_value": Flag(float, "ema.max_value"),
    "use_8bit_adam": Flag(
        bool,
        "optimizer.name",
        "`true` is `adamw8bit`, `false` is `adamw`",
        translate=lambda on, _: "adamw8bit" if on else "adamw",
    ),
    "adam_beta1": Flag(float, "optimizer.beta1"),
    "adam_beta2": Flag(float, "optimizer.beta2"),
    "adam_weight_decay": Flag(float, "optimizer.weight_decay"),
    "adam_epsilon": Flag(float, "optimizer.epsilon"),
    "max_grad_norm": Flag(float, "optimizer.max_grad_norm"),
    "hub_token": _without_equal(str, "it did nothing in the origin"),
    "hub_model_id": _without_equal(str, "it did nothing in the origin"),
    "logging_dir": _without_equal(str, "logs lie in the run folder"),
    "log_gpu": _without_equal(bool, "memory is always logged"),
    "mixed_precision": Flag(
        str, "training.precision", "`no` is `fp32`", translate=lambda name, _: "fp32" if name == "no" else name
    ),
    "lora_rank": Flag(int, "lora.rank", default=4),
    "local_rank": _without_equal(
        int, "`accelerate launch` says it", noted=lambda value, _: value is not None and value != -1
    ),
}
