"""From the name a user wrote to a checked base model, and from there to its components."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lorabooth.errors import InputError
from lorabooth.families.source import folder, single_file

if TYPE_CHECKING:
    import torch

Kind = Literal["builtin", "folder", "hub", "single_file"]

_BUILTIN = Path(__file__).parents[2] / "builtin"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


@dataclass(frozen=True)
class ModelSource:
    """Where a base model lies, checked but not loaded."""

    name: str
    """As the user wrote it."""
    kind: Kind
    path: Path
    """A diffusers folder (of a Hub model: the snapshot, named after its commit), or the single file."""
    variant: str | None
    pipeline_class: str
    prediction: str
    """`epsilon` or `v_prediction`."""


def find_model(
    base: str, revision: str | None = None, variant: str | None = None, prediction: str | None = None
) -> ModelSource:
    """Finds a base model and checks that it is whole; a Hub model is downloaded where the cache lacks it.

    ``base`` is `builtin:NAME`, a folder, a `.safetensors` file or a Hub id; what lies on the disk goes before the Hub.
    ``revision`` is for Hub models, ``variant`` for those and folders, ``prediction`` overrules what the model says.

    Raises:
        InputError: no such model, a half-downloaded one, pickles only, or options that don't fit its kind.
        MachineError: the Hub can't be reached, or the disk is full.
    """
    kind, path = _locate(base)
    if revision is not None and kind != "hub":
        raise InputError(f"model.revision is `{revision}`, but {base} is no Hub model.", "Leave model.revision out.")
    if kind == "single_file":
        if variant is not None:
            raise InputError(f"model.variant is `{variant}`, but {base} is a single file.", "Leave model.variant out.")
        found = single_file.check_file(path, prediction)
        return ModelSource(base, kind, path, None, "StableDiffusionPipeline", found)
    if kind == "hub":
        from lorabooth.families.source import hub

        path = hub.download(base, revision, variant)
        pipeline = folder.pipeline_of(path, base)
    else:
        pipeline = folder.check_folder(path, variant, base)
    return ModelSource(base, kind, path, variant, pipeline, prediction or _folder_prediction(path, base))


def _locate(base: str) -> tuple[Kind, Path]:
    if base.startswith("builtin:"):
        return "builtin", _builtin(base.removeprefix("builtin:"))
    path = Path(base).expanduser()
    if base and path.is_dir():
        return "folder", path
    if base and path.exists():
        return "single_file", path
    if base.startswith(("http://", "https://")):
        raise InputError(f"{base} is an address.", "Write a Hub model as owner/name, or download the file first.")
    if _HUB_ID.fullmatch(base) and path.suffix.lower() not in (".safetensors", ".ckpt") and base[0] not in ".~":
        return "hub", path
    if "/" in base or "\\" in base or path.suffix:
        raise InputError(f"There is no file or folder {base}.")
    raise InputError(
        f"`{base}` names no base model.",
        "Expected builtin:sprites, a Hub id such as owner/name, a diffusers folder, or a .safetensors file.",
    )


def _builtin(name: str) -> Path:
    known = sorted(path.parent.name for path in _BUILTIN.glob("*/model_index.json"))
    if name not in known:
        listed = ", ".join(f"builtin:{each}" for each in known) or "none"
        raise InputError(f"There is no embedded base model `{name}`; there is: {listed}.")
    return _BUILTIN / name


def _folder_prediction(path: Path, label: str) -> str:
    found = str(folder.config_of(path, "scheduler").get("prediction_type", "epsilon"))
    if found not in ("epsilon", "v_prediction"):
        raise InputError(f"{label} predicts `{found}`; supported are epsilon and v_prediction.")
    return found


def prediction_type(source: ModelSource) -> str:
    """What the denoiser predicts: `epsilon` or `v_prediction`."""
    return source.prediction


def component_config(source: ModelSource, name: str) -> dict[str, Any]:
    """The configuration of `vae` or `unet`, without loading its weights."""
    if source.kind == "single_file":
        return single_file.config_of(source.path, name, source.prediction)
    return folder.whole_config(source.path, name)


def load_component(source: ModelSource, name: str, dtype: torch.dtype) -> Any:
    """Loads one component: `vae`, `text_encoder`, `unet`, `tokenizer` or `scheduler`.

    Modules come frozen, in eval mode, in ``dtype``, on the CPU.
    Each call loads afresh, so that a component can be dropped and loaded again.

    Raises:
        InputError: the weights don't fit their configuration.
        MachineError: out of memory.
    """
    known = folder.PIPELINES[source.pipeline_class]
    if name not in known:
        raise ValueError(f"{source.pipeline_class} has no component {name!r}; it has {', '.join(known)}")
    if source.kind == "single_file":
        return _frozen(_from_file(source, name, dtype))
    if name == "tokenizer":
        return folder.load_tokenizer(source.path)
    if name == "scheduler":
        return folder.load_scheduler(source.path, source.prediction)
    return _frozen(folder.load_module(source.path, name, source.variant, dtype))


def _from_file(source: ModelSource, name: str, dtype: torch.dtype) -> Any:
    if name == "tokenizer":
        return single_file.load_tokenizer(source.path)
    if name == "scheduler":
        return single_file.load_scheduler(source.prediction)
    return single_file.load_module(source.path, name, source.prediction, dtype)


def _frozen(component: Any) -> Any:
    """No gradients, eval mode, and weights where torch would have put them.

    safetensors maps a file into memory: there addresses follow from the length of its header, kernels round otherwise
    than at aligned ones, and the process dies when the file is cut short. Equal weights shall compute equal numbers.
    """
    if not hasattr(component, "parameters"):
        return component
    for weight in component.parameters():
        if weight.data_ptr() % folder.ALIGNMENT:
            weight.data = weight.data.clone()
    return component.eval().requires_grad_(False)
