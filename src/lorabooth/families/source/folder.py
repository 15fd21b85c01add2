"""A base model as a diffusers folder: checked before anything is loaded, then loaded component by component."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lorabooth.errors import InputError, MachineError
from lorabooth.families.source.header import CONVERT, PARTIAL, PICKLES, read_header, read_tensor

if TYPE_CHECKING:
    import torch

PIPELINES = {"StableDiffusionPipeline": ("vae", "text_encoder", "unet", "tokenizer", "scheduler")}
"""The pipelines that can be a base model, and their components."""

MODULES = {
    "vae": ("diffusers", "AutoencoderKL"),
    "unet": ("diffusers", "UNet2DConditionModel"),
    "text_encoder": ("transformers", "CLIPTextModel"),
}
"""The components with weights: library and class."""

ALIGNMENT = 64
"""Bytes; torch allocates at multiples of it, and a mapped file hardly ever has its tensors there."""

_STEMS = {"diffusers": "diffusion_pytorch_model", "transformers": "model"}
_CONFIG_FILES = {"scheduler": "scheduler_config.json"}
_TOKENIZER_FILES = (("tokenizer.json",), ("vocab.json", "merges.txt"))

Listing = Callable[[str], list[str]]  # component → names of the files that its folder has


def stem(component: str) -> str:
    """The file name of a component's weights, without variant and suffix."""
    return _STEMS[MODULES[component][0]]


def read_json(path: Path) -> dict[str, Any]:
    """Reads a JSON object.

    Raises:
        InputError: the file is missing, or holds something else.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path} can't be read ({error.strerror or error}).") from error
    except ValueError as error:
        raise InputError(f"{path} is not JSON; it may be half-downloaded.", "Download it again.") from error
    if not isinstance(values, dict):
        raise InputError(f"{path} holds {type(values).__name__}, expected a JSON object.")
    return values


def pipeline_of(folder: Path, label: str) -> str:
    """The pipeline class that ``model_index.json`` names; ``label`` names the model in messages.

    Raises:
        InputError: the folder is no diffusers model, or of a kind that can't be trained here.
    """
    if not (folder / "model_index.json").is_file():
        raise InputError(
            f"{label} is no diffusers model: it has no model_index.json, it holds {_contents(folder)}.",
            "Expected model_index.json beside the folders " + ", ".join(PIPELINES["StableDiffusionPipeline"]) + ".",
        )
    name = str(read_json(folder / "model_index.json").get("_class_name"))
    if name not in PIPELINES:
        raise InputError(f"{label} is a {name}, which can't be trained here.", f"Known are: {', '.join(PIPELINES)}.")
    return name


def _contents(folder: Path) -> str:
    names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") if names else "nothing"


def check_folder(folder: Path, variant: str | None, label: str, listing: Listing | None = None) -> str:
    """Checks that every component is there and whole, without loading it → the pipeline class.

    Raises:
        InputError: names the component, what its folder has, and what was expected.
    """
    pipeline = pipeline_of(folder, label)
    names = listing or (lambda component: [path.name for path in (folder / component).iterdir()])
    for component in PIPELINES[pipeline]:
        if not (folder / component).is_dir():
            raise InputError(f"{label} has no folder {component}/; it holds {_contents(folder)}.")
        if component == "tokenizer":
            _check_tokenizer(folder / component, label)
            continue
        read_json(folder / component / _CONFIG_FILES.get(component, "config.json"))
        if component in MODULES:
            for file in _weight_files(folder, component, variant, label, names):
                read_header(file)
    check_channels(
        config_of(folder, "unet").get("in_channels", 4), config_of(folder, "vae").get("latent_channels", 4), label
    )
    return pipeline


def config_of(folder: Path, component: str) -> dict[str, Any]:
    """The configuration of a component."""
    return read_json(folder / component / _CONFIG_FILES.get(component, "config.json"))


def whole_config(folder: Path, component: str) -> dict[str, Any]:
    """The configuration of a module, with its class's defaults for what the file leaves out."""
    library, class_name = MODULES[component]
    arguments = signature(getattr(import_module(library), class_name)).parameters.values()
    return {each.name: each.default for each in arguments} | config_of(folder, component)


def check_channels(taken: int, latent: int, label: str) -> None:
    """Refuses denoisers that take more than the noisy latents, such as those for inpainting."""
    if taken != latent:
        kind = {2 * latent + 1: " (inpainting)", 2 * latent: " (image editing)", latent + 1: " (depth)"}.get(taken, "")
        raise InputError(f"The denoiser of {label} takes {taken} channels{kind}; text-to-image models take {latent}.")


def _check_tokenizer(folder: Path, label: str) -> None:
    if not any(all((folder / name).is_file() for name in names) for names in _TOKENIZER_FILES):
        raise InputError(
            f"The tokenizer of {label} is not complete: its folder holds {_contents(folder)}.",
            "Expected tokenizer.json, or vocab.json and merges.txt.",
        )


def _weight_files(folder: Path, component: str, variant: str | None, label: str, names: Listing) -> list[Path]:
    base = folder / component
    single = base / (f"{stem(component)}.{variant}.safetensors" if variant else f"{stem(component)}.safetensors")
    index = base / (f"{stem(component)}.safetensors.index" + (f".{variant}.json" if variant else ".json"))
    if single.exists():
        return [single]
    if index.exists():
        return sorted({base / str(name) for name in read_json(index).get("weight_map", {}).values()})
    if any(path.name.endswith(PARTIAL) for path in _possible_leftovers(folder, component)):
        raise InputError(f"{label} is half-downloaded: {single.name} in {component}/ is missing.", "Download it again.")
    raise _no_weights(component, variant, label, names(component))


def _possible_leftovers(folder: Path, component: str) -> Iterable[Path]:
    yield from (folder / component).iterdir()
    downloads = folder / ".cache" / "huggingface" / "download" / component  # of `hf download --local-dir`
    if downloads.is_dir():
        yield from downloads.iterdir()


def _no_weights(component: str, variant: str | None, label: str, names: list[str]) -> InputError:
    pattern = re.compile(re.escape(stem(component)) + r"(?:\.([^.]+?))?(?:-\d{5}-of-\d{5})?\.safetensors")
    variants = {match[1] for match in map(pattern.fullmatch, names) if match}
    wanted = f"in the variant `{variant}`" if variant else "without a variant"
    if variants:
        known = ", ".join(f"`{name}`" for name in sorted(filter(None, variants)))
        found = " and ".join(
            filter(None, [f"the variant {known}" if known else "", "the plain one" if None in variants else ""])
        )
        hint = f"Set model.variant to {known}." if known else "Leave model.variant out."
        return InputError(f"{label} has no weights of the {component} {wanted}; it has {found}.", hint)
    pickles = [name for name in names if name.endswith(PICKLES)]
    if pickles:
        return InputError(
            f"{label} holds the {component} only as {pickles[0]}, a pickle, which can run code when loaded.", CONVERT
        )
    return InputError(f"{label} has no weights of the {component}; expected {stem(component)}.safetensors.")


def load_module(folder: Path, component: str, variant: str | None, dtype: torch.dtype) -> Any:
    """Loads one component with weights, in ``dtype`` on the CPU.

    Raises:
        InputError: the weights don't fit the configuration.
        MachineError: out of memory.
    """
    library, class_name = MODULES[component]
    loader = getattr(import_module(library), class_name)
    options: dict[str, Any] = {
        "variant": variant,
        "use_safetensors": True,
        "local_files_only": True,
        "output_loading_info": True,
    }
    options["torch_dtype" if library == "diffusers" else "dtype"] = dtype
    try:
        with _no_progress_bar(library):
            module, report = loader.from_pretrained(folder / component, **options)
    except (RuntimeError, ValueError, TypeError, KeyError) as error:
        raise misfit(component, folder / component, error) from error
    if report["missing_keys"]:
        raise missing(component, folder / component, report["missing_keys"])
    _leave_mapping(module, _weight_files(folder, component, variant, str(folder), lambda _: []))
    return module


def _leave_mapping(module: Any, files: Iterable[Path]) -> None:
    """Reads weights that still lie in the mapped file into memory of their own, at addresses as torch chooses them."""
    weights = dict(module.named_parameters())
    for file in files:
        for name in read_header(file).shapes:
            if name in weights and weights[name].data_ptr() % ALIGNMENT:
                weights[name].data = read_tensor(file, name)


@contextmanager
def _no_progress_bar(library: str) -> Iterator[None]:
    logging = import_module(f"{library}.utils.logging")
    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def misfit(component: str, path: Path, error: Exception) -> InputError | MachineError:
    """What a library said while it built a component, as a sentence."""
    text = " ".join(str(error).split())[:300]
    if "can't allocate memory" in text:
        return MachineError(f"Not enough memory to load the {component} of {path}.", "Close other programs.")
    return InputError(f"The {component} in {path} does not fit its configuration: {text}")


def missing(component: str, path: Path, keys: Iterable[str]) -> InputError:
    """Tensors that the configuration asks for and the weights lack."""
    names = sorted(keys)
    return InputError(f"The weights of the {component} in {path} lack {len(names)} tensors, such as {names[0]}.")


def load_tokenizer(folder: Path) -> Any:
    """Loads the tokenizer.

    Raises:
        InputError: it knows more tokens than the text encoder.
    """
    from transformers import CLIPTokenizer

    tokenizer = CLIPTokenizer.from_pretrained(folder / "tokenizer", local_files_only=True)
    known = config_of(folder, "text_encoder").get("vocab_size", len(tokenizer))
    if len(tokenizer) > known:
        raise InputError(f"The tokenizer in {folder} has {len(tokenizer)} tokens, but its text encoder knows {known}.")
    return tokenizer


def load_scheduler(folder: Path, prediction: str) -> Any:
    """Builds the noise scheduler that the folder names, for ``prediction``.

    Raises:
        InputError: diffusers has no such scheduler.
    """
    import diffusers

    config = config_of(folder, "scheduler")
    name = str(config.get("_class_name"))
    scheduler: Any = getattr(diffusers, name, None)
    if not name.endswith("Scheduler") or scheduler is None:
        raise InputError(f"{folder} names the noise scheduler {name}, which diffusers doesn't have.")
    return scheduler.from_config(config, prediction_type=prediction)
