"""A base model on the Hugging Face Hub: downloads what is needed, or finds it in the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lorabooth.errors import InputError, MachineError
from lorabooth.families.source.folder import MODULES, PIPELINES, check_folder, pipeline_of, stem
from lorabooth.files import disk_fault


def download(repo: str, revision: str | None, variant: str | None) -> Path:
    """Brings a checked snapshot of ``repo`` into the Hub cache → its folder, named after the commit.

    Only configurations, tokenizers and safetensors of ``variant`` are fetched, never pickles. The token is found by
    huggingface_hub (`hf auth login`, HF_TOKEN). With no network the cache is used.

    Raises:
        InputError: no such repository or revision, a gated one, or one that is no usable model.
        MachineError: the Hub can't be reached and the cache lacks it, or the disk is full.
    """
    from huggingface_hub import snapshot_download

    with _sentences(repo, revision, found="not"):  # hf_hub_download would try for 20 s when there is no network
        index = Path(snapshot_download(repo, revision=revision, allow_patterns=["model_index.json"]))
    if not (index / "model_index.json").exists():
        page = f"https://huggingface.co/{repo}/tree/{index.name}"
        raise InputError(f"{repo} is no diffusers model: it has no model_index.json.", f"See {page}.")
    patterns = needed_files(pipeline_of(index, repo), variant)
    with _sentences(repo, revision, found="only half"):
        folder = Path(snapshot_download(repo, revision=index.name, allow_patterns=patterns))
    check_folder(folder, variant, repo, lambda component: _remote_names(repo, folder, component))
    return folder


def needed_files(pipeline: str, variant: str | None) -> list[str]:
    """The patterns of the files that ``pipeline`` needs: no pickles, no other variants."""
    patterns = ["model_index.json"]
    for component in PIPELINES[pipeline]:
        patterns += [f"{component}/*.json"] + ([f"{component}/*.txt"] if component.startswith("tokenizer") else [])
        if component in MODULES:
            name = f"{component}/{stem(component)}" + (f".{variant}" if variant else "")
            patterns += [f"{name}.safetensors", f"{name}-?????-of-?????.safetensors"]
    return patterns


def _remote_names(repo: str, folder: Path, component: str) -> list[str]:
    """All files of a component on the Hub, to say which variants exist; the cached ones where it can't be reached."""
    from huggingface_hub import HfApi

    try:
        names = HfApi().list_repo_files(repo, revision=folder.name)
    except _http_faults():
        return [path.name for path in (folder / component).iterdir()]
    return [name.removeprefix(f"{component}/") for name in names if name.startswith(f"{component}/")]


def _http_faults() -> tuple[type[Exception], ...]:
    """Every fault of a request: OSError (sockets, offline mode, the Hub's refusals), and the base class of httpx.

    httpx is taken from huggingface_hub, which stands on httpx or httpx2 depending on its own version.
    """
    from huggingface_hub import errors

    return (OSError, vars(errors)["HTTPError"])


@contextmanager
def _sentences(repo: str, revision: str | None, found: str) -> Iterator[None]:
    """Turns what huggingface_hub raises into our errors; ``found`` says how much of the model is in the cache."""
    from huggingface_hub import errors

    faults: tuple[type[Exception], ...] = (*_http_faults(), errors.HFValidationError)
    try:
        yield
    except faults as error:
        raise _input_fault(repo, revision, error) or _machine_fault(repo, revision, error, found) from error


def _input_fault(repo: str, revision: str | None, error: Exception) -> InputError | None:
    """What the user can put right by naming another model, or by logging in."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{repo}"
    if isinstance(error, errors.GatedRepoError):  # before its base, RepositoryNotFoundError
        return InputError(f"{repo} is gated.", f"Accept the licence on its page {page}, then run `hf auth login`.")
    if isinstance(error, errors.RepositoryNotFoundError):
        hint = "Check the name; for a private model run `hf auth login`."
        return InputError(f"There is no model {repo} on the Hub, or it is private.", hint)
    if isinstance(error, errors.RevisionNotFoundError):
        hint = f"Its branches and tags are listed on {page}/tree/main."
        return InputError(f"{repo} has no revision `{revision}`.", hint)
    if isinstance(error, errors.HFValidationError):
        return InputError(f"`{repo}` is no name of a Hub model: {error}")
    return None


def _machine_fault(repo: str, revision: str | None, error: Exception, found: str) -> MachineError:
    """No network, a refusing Hub, or a full disk."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError):
        at = f" at revision `{revision}`" if revision else ""
        return MachineError(
            f"{repo}{at} is {found} in the Hub cache, and {_reason(error)}.", "Try again with a network."
        )
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
        return disk_fault(Path(error.filename or "the Hub cache"), error)
    said = next(iter(str(error).splitlines()), type(error).__name__)
    return MachineError(f"The download of {repo} broke off: {said}", "Run the command again; it goes on where it was.")


def _reason(error: Exception) -> str:
    from huggingface_hub import errors

    cause = error.__cause__
    if isinstance(cause, errors.OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE forbids to download it"
    if isinstance(cause, errors.HfHubHTTPError):
        return f"the Hub answered {cause.response.status_code}"
    return "the Hub can't be reached"
