"""Every option once: frozen models that become the command line, the YAML file, the run's record and the docs."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lorabooth.errors import InputError

BUILTIN = Path(__file__).parent / "builtin"

Positive = Annotated[int, Field(gt=0)]
Fraction = Annotated[float, Field(ge=0, le=1)]
Rate = Annotated[float, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]

Precision = Literal["auto", "fp32", "fp16", "bf16"]
OptimizerName = Literal["adamw", "adamw8bit", "prodigy", "adafactor", "schedulefree"]
LearningRateSchedule = Literal["constant", "linear", "cosine", "cosine_with_restarts", "polynomial"]
LoraTargets = Literal["attention", "all-linear", "all-linear-conv"]
LoraInit = Literal["default", "gaussian"]
SchedulerName = Literal["dpmsolver++", "ddim", "ddpm", "euler", "euler_a", "unipc", "pndm", "heun", "lms"]


class Section(BaseModel):
    """A group of options: frozen, and unknown names are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)


class ModelConfig(Section):
    """Which base model."""

    base: str = "builtin:sprites"
    """`builtin:sprites`, a Hub id, a diffusers folder, or a single `.safetensors` checkpoint."""
    revision: str | None = None
    """Branch, tag or commit of a Hub model."""
    variant: str | None = None
    """Weight variant of a Hub model or folder, such as `fp16`."""
    prediction_type: Literal["epsilon", "v_prediction"] | None = None
    """What the denoiser predicts, where a single-file checkpoint does not say it; by default as the model says."""


class SubjectConfig(Section):
    """Who or what is learned, and from which photos."""

    photos: Path = Path("photos")
    """Folder with 3–10 photos of the subject."""
    class_noun: Annotated[str, Field(min_length=1)] = "subject"
    """The coarse class of the subject, such as `dog`."""
    identifier: Annotated[str, Field(min_length=1)] = "sks"
    """Rare token that will name the subject."""
    instance_prompt: str | None = None
    """Prompt for photos without a caption; by default `a photo of a IDENTIFIER CLASS_NOUN`."""
    captions: Literal["prompt", "txt", "filename"] = "prompt"
    """`txt`: a text file beside each photo; `filename`: its name; `[identifier]` in a caption is replaced."""
    crop: Literal["center", "random"] = "center"
    """Where the square is cut after the short side was resized."""
    flip: bool = False
    """Mirror photos by chance."""

    @property
    def prompt(self) -> str:
        """The instance prompt in force."""
        return self.instance_prompt or f"a photo of a {self.identifier} {self.class_noun}"


class PriorConfig(Section):
    """Class-specific prior preservation (DreamBooth, §3.2): what keeps `a dog` a dog."""

    weight: Weight = 1.0
    """λ, the weight of the loss on class images; 0 trains without prior preservation."""
    images: Annotated[int, Field(ge=0)] = 100
    """How many class images the base model generates before training."""
    prompt: str | None = None
    """Prompt of the class images; by default `a photo of a CLASS_NOUN`."""
    folder: Path | None = None
    """Where the class images are kept; by default a managed folder shared by all runs."""
    batch_size: Positive = 4
    """Class images generated at once."""
    steps: Positive = 25
    """Sampling steps of a class image."""
    guidance_scale: Annotated[float, Field(ge=0)] = 7.5
    """Guidance of the class images."""


class LoraConfig(Section):
    """The adapter: ΔW = (alpha / rank)·B·A (arXiv 2106.09685)."""

    rank: Positive = 8
    """Width of A and B."""
    alpha: Rate | None = None
    """Numerator of the scale; by default equal to the rank."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the adapter's input that is dropped in training."""
    init: LoraInit = "default"
    """How A starts: `default` (Kaiming uniform) or `gaussian` (normal / rank); B starts at zero."""
    targets: LoraTargets = "attention"
    """Layers of the denoiser that are adapted."""
    text_encoder: bool = False
    """Adapt the text encoder's attention too."""
    text_encoder_rank: Positive | None = None
    """Rank in the text encoder; by default as in the denoiser."""


class ObjectiveConfig(Section):
    """What is learned from a noised picture."""

    snr_gamma: Rate | None = None
    """Min-SNR weighting (arXiv 2303.09556), usually 5; off by default."""
    noise_offset: Weight = 0.0
    """Strength of a per-channel constant added to the noise, usually 0.05–0.1; off by default."""
    zero_terminal_snr: bool = False
    """Rescale the noise schedule so that its last step is pure noise (arXiv 2305.08891); v-prediction only."""


class EmaConfig(Section):
    """An exponential moving average of the adapter: decay = 1 − (1 + step / inv_gamma)^−power, within min…max."""

    enabled: bool = False
    """Keep an average and write it as the result."""
    inv_gamma: Rate = 1.0
    """Stretches the warm-up of the decay."""
    power: Rate = 0.75
    """Speed of the warm-up of the decay."""
    min_value: Fraction = 0.0
    """Smallest decay."""
    max_value: Fraction = 0.9999
    """Largest decay."""


class TrainingConfig(Section):
    """The run itself."""

    steps: Positive = 400
    """Optimiser updates."""
    batch_size: Positive = 1
    """Photos in a micro-batch, for each process; with prior preservation as many class images join them."""
    gradient_accumulation: Positive = 1
    """Micro-batches in a step."""
    resolution: Positive | None = None
    """Side of the training pictures in pixels; by default the model's own."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Decides batch order, noise, timesteps, crops, dropout and the adapter's start."""
    precision: Precision = "auto"
    """Number format of the frozen model; `auto` takes bf16 where the hardware is fast at it, else fp16 or fp32."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: less memory, more time."""
    cache: bool = True
    """Encode photos and prompts once and keep the result; off encodes in every step."""


class OptimizerConfig(Section):
    """How weights move."""

    name: OptimizerName = "adamw"
    """`adamw8bit`, `prodigy` and `schedulefree` need the package of the same name."""
    learning_rate: Rate = 1e-4
    """Peak rate of the denoiser's adapter (for Prodigy: 1)."""
    text_encoder_learning_rate: Rate = 5e-5
    """Peak rate of the text encoder's adapter."""
    scale_learning_rate: bool = False
    """Multiply both rates by batch size × accumulation × processes."""
    beta1: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Decay of the first moment."""
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    """Decay of the second moment."""
    weight_decay: Weight = 1e-2
    """Decoupled weight decay."""
    epsilon: Rate = 1e-8
    """Added to the denominator."""
    max_grad_norm: Weight = 1.0
    """Gradients are clipped to this norm; 0 turns clipping off."""
    schedule: LearningRateSchedule = "constant"
    """Shape of the learning-rate schedule after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    """Steps of linear warm-up."""
    cycles: Rate = 1.0
    """Restarts of `cosine_with_restarts` (a whole number), or half waves of `cosine` times two."""
    power: Rate = 1.0
    """Exponent of `polynomial`."""


class SamplingConfig(Section):
    """How pictures are generated, in training and after it."""

    prompts: tuple[str, ...] = ()
    """Prompts drawn at step 0 and at every checkpoint; by default the instance prompt and two contexts."""
    seeds: tuple[int, ...] = (0, 1)
    """One starting noise each; the same for every prompt."""
    steps: Positive = 25
    """Sampling steps."""
    guidance_scale: Annotated[float, Field(ge=0)] = 7.5
    """Strength of classifier-free guidance; 1 or less turns it off."""
    negative_prompt: str = ""
    """What the pictures shall not show."""
    scheduler: SchedulerName = "dpmsolver++"
    """The sampler."""
    enabled: bool = True
    """Draw samples during training."""


class OutputConfig(Section):
    """What a run writes."""

    folder: Path | None = None
    """Run folder; by default `runs/CLASS_NOUN-N`."""
    checkpoint_every: Positive = 100
    """Steps between checkpoints."""
    checkpoint_from: Annotated[int, Field(ge=0)] = 0
    """No checkpoint before this step; the last step always has one."""
    keep_checkpoints: Annotated[int, Field(ge=0)] = 0
    """How many of the newest checkpoints are kept; 0 keeps all."""
    trackers: tuple[Literal["wandb", "mlflow", "trackio"], ...] = ()
    """Trackers beside TensorBoard, each needs its package."""


class TrainConfig(Section):
    """Everything that decides a run."""

    model: ModelConfig = ModelConfig()
    subject: SubjectConfig = SubjectConfig()
    prior: PriorConfig = PriorConfig()
    lora: LoraConfig = LoraConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    training: TrainingConfig = TrainingConfig()
    ema: EmaConfig = EmaConfig()
    sampling: SamplingConfig = SamplingConfig()
    output: OutputConfig = OutputConfig()

    @property
    def class_prompt(self) -> str:
        """The class prompt in force."""
        noun = self.subject.class_noun
        return self.prior.prompt or f"a photo of {'an' if noun[0].lower() in 'aeiou' else 'a'} {noun}"

    @property
    def with_prior(self) -> bool:
        """Whether class images take part."""
        return self.prior.weight > 0

    @model_validator(mode="after")
    def _parts_agree(self) -> TrainConfig:
        faults = []
        if self.with_prior and self.prior.images == 0:
            faults.append("prior.images is 0 but prior.weight is not: set prior.weight=0 to train without class images")
        if self.optimizer.schedule == "cosine_with_restarts" and self.optimizer.cycles != int(self.optimizer.cycles):
            faults.append("optimizer.cycles must be a whole number for cosine_with_restarts")
        if self.ema.min_value > self.ema.max_value:
            faults.append("ema.min_value is above ema.max_value")
        if faults:
            raise ValueError("; ".join(faults))
        return self


def option_names(model: type[BaseModel] = TrainConfig, prefix: str = "") -> dict[str, Any]:
    """Every option by its dotted name, with pydantic's field behind it."""
    names: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names.update(option_names(kind, f"{prefix}{name}."))
        else:
            names[prefix + name] = field
    return names


def parse_override(text: str) -> tuple[str, Any]:
    """`section.key=value` → (dotted name, value read as YAML)."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise InputError(f"`{text}` is no option.", "Options are written section.key=value, for example lora.rank=16.")
    try:
        return name.strip(), _as_number(yaml.safe_load(value) if value else None)
    except yaml.YAMLError as error:
        raise InputError(f"The value of `{name}` can't be read: {value!r}.", "Quote text that holds : or [.") from error


def _as_number(value: Any) -> Any:
    """YAML 1.1 reads `1e-4` as text; a number was meant."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() and value[0] in "+-.0123456789" else value
        except ValueError:
            return value
    return [_as_number(item) for item in value] if isinstance(value, list) else value


def build(values: Mapping[str, Any], overrides: Sequence[str] | Mapping[str, Any] = ()) -> TrainConfig:
    """Nested ``values`` with ``section.key=value`` overrides on top → a checked config.

    Raises:
        InputError: names every fault at once, each by its dotted name, with the nearest known name.
    """
    merged: dict[str, Any] = {k: dict(v) if isinstance(v, Mapping) else v for k, v in values.items()}
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(parse_override, overrides)
    for name, value in pairs:
        section, _, key = name.partition(".")
        place = merged.setdefault(section, {})
        if not key or not isinstance(place, dict):
            raise InputError(_unknown(name))
        place[key] = value
    try:
        return TrainConfig.model_validate(_lists_for_single(_with_recommended(merged)))
    except ValidationError as error:
        raise InputError("\n".join(_sentence(fault) for fault in error.errors())) from error


def recommended(base: str) -> dict[str, dict[str, Any]]:
    """Options that suit an embedded base model better than the defaults, from its `lorabooth.yaml`."""
    if not base.startswith("builtin:"):
        return {}
    file = BUILTIN / base.removeprefix("builtin:") / "lorabooth.yaml"
    return yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else {}


def _with_recommended(values: dict[str, Any]) -> dict[str, Any]:
    model = values.get("model")
    base = (model.get("base") if isinstance(model, dict) else None) or ModelConfig().base
    if not isinstance(base, str):
        return values
    for section, options in recommended(base).items():
        given = values.get(section, {})
        if isinstance(given, dict):
            values[section] = {**options, **given}
    return values


def _lists_for_single(values: dict[str, Any]) -> dict[str, Any]:
    """`sampling.seeds=3` means a list of one."""
    sampling = values.get("sampling")
    if isinstance(sampling, dict):
        for key in ("prompts", "seeds"):
            if key in sampling and not isinstance(sampling[key], (list, tuple)):
                sampling[key] = [sampling[key]]
    return values


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name, option_names(), n=1, cutoff=0.4)
    same_key = [known for known in option_names() if known.rpartition(".")[2] == name.rpartition(".")[2]]
    hint = f" Did you mean `{(same_key or near)[0]}`?" if same_key or near else ""
    return f"Unknown option `{name}`.{hint}"


def _sentence(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"])
    if fault["type"] == "extra_forbidden":
        return _unknown(name)
    if fault["type"] == "value_error":
        return str(fault["msg"]).removeprefix("Value error, ")
    return f"`{name}` is {fault['input']!r}: {fault['msg'][0].lower()}{fault['msg'][1:]}."


def load(path: Path | None, overrides: Sequence[str] | Mapping[str, Any] = ()) -> TrainConfig:
    """Reads a YAML config, puts overrides on top and checks everything.

    Raises:
        InputError: the file is missing or no mapping, or an option is unknown or out of range.
    """
    if path is None:
        return build({}, overrides)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InputError(f"There is no config file {path}.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds {type(values).__name__}, expected sections such as `subject:` and `lora:`.")
    return build(values, overrides)


def dump(config: TrainConfig) -> str:
    """The whole config as YAML, every option named, that ``load`` reads back equal."""
    return str(yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100))
