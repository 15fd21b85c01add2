"""A folder of photos → upright RGB pictures, with a reason for everything that was left out."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import io
import re
import struct
import warnings
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError, features

from lorabooth.errors import InputError

if TYPE_CHECKING:
    import torch

SUFFIXES = frozenset(
    f".{name}" for name in ("jpg", "jpeg", "jpe", "jfif", "png", "webp", "bmp", "tif", "tiff", "gif")
) | {".heic", ".heif", ".hif", ".avif"}
"""Endings, in small letters, of the files that are looked at."""
WINDOWS = tuple((x, y) for y in (0.0, 0.5, 1.0) for x in (0.0, 0.5, 1.0))
"""The nine places of a random crop: so few that the latents of all of them can be kept."""

_FORMATS = ("JPEG", "MPO", "PNG", "WEBP", "BMP", "DIB", "TIFF", "GIF", "AVIF", "HEIF")  # by content; never EPS
_FAULTS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    LookupError,
    TypeError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)  # what Pillow's decoders raise on broken files


@dataclass(frozen=True)
class Photo:
    """A photo that was decoded once and found good; ``width`` and ``height`` are those of the upright picture."""

    path: Path
    sha256: str
    """Of the file's bytes; key of whatever is cached for this photo."""
    width: int
    height: int


@dataclass(frozen=True)
class Ignored:
    """Something in the folder that takes no part, and why."""

    path: Path
    reason: str


@dataclass(frozen=True)
class PhotoFolder:
    """What was found: photos in natural order of their names, and all that was left out."""

    photos: tuple[Photo, ...]
    ignored: tuple[Ignored, ...]


@dataclass(frozen=True)
class Augmentation:
    """How one example is cut out and whether it is mirrored; see ``resize_and_crop``."""

    window: tuple[float, float] = (0.5, 0.5)
    flip: bool = False


class _UnusableError(Exception):
    """The reason why a file is no usable photo."""


def read_photos(folder: Path) -> PhotoFolder:
    """Finds the photos in ``folder``, or takes ``folder`` itself where it is one image file.

    Each photo is decoded once, so that a broken one is found now and not in the middle of a training.

    Raises:
        InputError: there is no such folder, it can't be listed, or no usable photo is in it.
    """
    paths = _listing(folder)
    captions = {path.with_suffix(".txt") for path in paths if path.suffix.lower() in SUFFIXES}
    photos: dict[str, Photo] = {}
    ignored = []
    for path in paths:
        if path in captions:
            continue
        try:
            photo = _examine(path)
            if photo.sha256 in photos:
                raise _UnusableError(f"the same photo as {photos[photo.sha256].path.name}, byte for byte")
            photos[photo.sha256] = photo
        except _UnusableError as reason:
            ignored.append(Ignored(path, str(reason)))
    if not photos:
        raise _no_photo(folder, ignored)
    return PhotoFolder(tuple(photos.values()), tuple(ignored))


def pixels(photo: Photo) -> Image.Image:
    """Decodes a photo: RGB, upright, transparent parts white, colours in sRGB.

    Raises:
        InputError: the file is gone, or its bytes are not those that ``read_photos`` saw.
    """
    try:
        data = photo.path.read_bytes()
    except OSError as error:
        raise InputError(
            f"The photo {photo.path} can't be read any more ({error.strerror}).",
            "Put it back, or start again with the photos that are there.",
        ) from error
    if hashlib.sha256(data).hexdigest() != photo.sha256:
        raise InputError(
            f"The photo {photo.path} was changed after it had been read.",
            "Run the command again to use it as it is now.",
        )
    return _decode(data)


def crop_box(width: int, height: int, window: tuple[float, float] = (0.5, 0.5)) -> tuple[int, int, int, int]:
    """The square (left, top, right, bottom) of a ``width`` × ``height`` picture that ``window`` selects.

    Its side is the short side. ``window`` (x, y), each 0…1, says where along the free play: 0 is left or top.
    """
    if not all(0 <= part <= 1 for part in window):
        raise ValueError(f"window is {window}, expected two numbers within 0…1")
    side = min(width, height)
    left, top = round(window[0] * (width - side)), round(window[1] * (height - side))
    return left, top, left + side, top + side


def resize_and_crop(
    image: Image.Image, size: int, window: tuple[float, float] = (0.5, 0.5), flip: bool = False
) -> Image.Image:
    """Short side → ``size``, then the ``size`` × ``size`` window, then mirrored; small pictures are enlarged.

    Only the window is resampled, so a panorama costs no more memory than a square.
    """
    if size < 1:
        raise ValueError(f"size is {size}, expected 1 or more")
    box = crop_box(image.width, image.height, window)
    # A gap of 3 shrinks big photos by a box filter first, without visible difference.
    square = image.resize((size, size), Image.Resampling.LANCZOS, box=box, reducing_gap=3.0)
    return ImageOps.mirror(square) if flip else square


def to_pixels(image: Image.Image) -> torch.Tensor:
    """An RGB picture as float32 [3, height, width] in -1…1."""
    import torch

    if image.mode != "RGB":
        raise ValueError(f"the picture's mode is {image.mode}, expected RGB")
    values = torch.from_numpy(np.array(image, dtype=np.uint8))  # [height, width, 3]
    return values.permute(2, 0, 1).contiguous().float() / 127.5 - 1


def augmentation(seed: int, position: int, crop: Literal["center", "random"], flip: bool) -> Augmentation:
    """Window and flip of the example at ``position`` of the stream: a function of (seed, position) and the options.

    A random crop takes one of ``WINDOWS``; a flip comes with chance ½. Turning one on does not change the other.
    """
    import torch

    from lorabooth.randomness import generator

    random = generator(seed, position, "augment")
    place = int(torch.randint(len(WINDOWS), (), generator=random))
    mirrored = bool(torch.randint(2, (), generator=random))
    return Augmentation(WINDOWS[place] if crop == "random" else (0.5, 0.5), flip and mirrored)


def augmentations(crop: Literal["center", "random"], flip: bool) -> tuple[Augmentation, ...]:
    """Everything that ``augmentation`` can give with these options."""
    windows = WINDOWS if crop == "random" else ((0.5, 0.5),)
    return tuple(Augmentation(window, mirrored) for window in windows for mirrored in (False, True)[: 1 + flip])


def _listing(folder: Path) -> list[Path]:
    """The entries of a folder in natural order."""
    try:
        if folder.is_dir():
            return sorted(folder.iterdir(), key=lambda path: _natural(path.name))
        if folder.exists():
            if folder.suffix.lower() in SUFFIXES:
                return [folder]
            raise InputError(
                f"{folder} is a file, expected a folder with photos.", "Give the folder that holds 3–10 photos."
            )
    except OSError as error:
        raise InputError(f"The folder {folder} can't be read ({error.strerror}).", "Check its permissions.") from error
    raise InputError(
        f"There is no folder {folder} (looked in {Path.cwd()}).",
        "Give the folder that holds 3–10 photos of the subject.",
    )


def _natural(name: str) -> tuple[list[str | int], str]:
    """Sorting key: `photo2` before `photo10`, capitals like small letters."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def _no_photo(folder: Path, ignored: list[Ignored]) -> InputError:
    """The error for a folder without a single usable photo; names what was there instead."""
    shown = "".join(f"\n  {item.path.name}: {item.reason}" for item in ignored[:8])
    more = f"\n  … and {len(ignored) - 8} more" if len(ignored) > 8 else ""
    found = f"found {len(ignored)} other thing{'s' * (len(ignored) != 1)}:{shown}{more}" if ignored else "it is empty."
    return InputError(
        f"No usable photo in {folder}: {found}", "Put 3–10 photos of the subject in it, as JPEG, PNG, WebP or TIFF."
    )


def _examine(path: Path) -> Photo:
    """Reads and decodes one file."""
    _check_kind(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _UnusableError(f"can't be read ({error.strerror})") from error
    if not data:
        raise _UnusableError("empty (0 bytes); copy it again")
    image = _decode(data)
    return Photo(path, hashlib.sha256(data).hexdigest(), image.width, image.height)


def _check_kind(path: Path) -> None:
    """Turns away what is no photo by its name or kind."""
    suffix = path.suffix.lower()
    if path.name.startswith("."):
        raise _UnusableError("hidden file")
    if path.is_dir():
        raise _UnusableError("sub-folder; photos are not looked for in it")
    if suffix == ".txt":
        raise _UnusableError("text without a photo of the same name")
    if suffix not in SUFFIXES:
        raise _UnusableError(f"not a photo ({suffix or 'no file ending'}); save it as JPEG or PNG if it is one")
    if not path.is_file():
        raise _UnusableError("a link to nothing" if path.is_symlink() else "not a regular file")


def _decode(data: bytes) -> Image.Image:
    """The bytes of an image file (first frame) → upright RGB."""
    _check_codec(data)
    Image.init()
    known = [name for name in _FORMATS if name in Image.OPEN]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # harmless faults in metadata
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the hard limit is twice as high
            with Image.open(io.BytesIO(data), formats=known) as file:
                return _upright_rgb(file)
    except _FAULTS as error:
        raise _UnusableError(_reason(error)) from error


def _reason(error: BaseException) -> str:
    """A decoder's complaint as a reason."""
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) // 10**6
        return f"more than {limit} megapixels; make it smaller"
    if isinstance(error, UnidentifiedImageError):
        return "not an image, or one too damaged to be recognised"
    if "truncated" in str(error).lower():
        return "cut off: the file ends before the picture does; copy it again"
    return f"damaged, can't be decoded ({str(error) or type(error).__name__})"


def _check_codec(data: bytes) -> None:
    """HEIC and AVIF, told by the brands in their first box, need codecs that may be missing."""
    if data[4:8] != b"ftyp":
        return
    box = data[8 : min(int.from_bytes(data[:4], "big"), 256)]
    brands = {box[start : start + 4] for start in range(0, len(box), 4)}
    if brands & {b"avif", b"avis"}:
        if not features.check("avif"):
            raise _UnusableError("AVIF, which this Pillow can't decode; type: pip install --upgrade pillow")
    elif brands & {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"} and not _heif_ready():
        raise _UnusableError("HEIC, which needs pillow-heif; type: pip install pillow-heif")


@functools.cache
def _heif_ready() -> bool:
    """Whether HEIC files can be opened; registers pillow-heif's decoder where it is installed."""
    if importlib.util.find_spec("pillow_heif") is None:
        return False
    importlib.import_module("pillow_heif").register_heif_opener()
    return True


def _upright_rgb(file: Image.Image) -> Image.Image:
    """An opened file → upright, opaque, 8 bits, sRGB."""
    ranges = _ranges(file)
    profile = file.info.get("icc_profile")
    image = ImageOps.exif_transpose(file)
    if ranges:
        return _eight_bit(np.asarray(image), ranges).convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image).convert("RGB")
    elif image.mode not in {"RGB", "CMYK"}:
        image = image.convert("RGB")
    return _to_srgb(image, profile)


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """RGB or CMYK in its own colour space (phones: Display P3) → sRGB, by the embedded profile.

    A profile that is broken or of another kind of picture is passed over, as browsers do.
    """
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
                image = converted or image
        except (ImageCms.PyCMSError, OSError):
            pass
    return image.convert("RGB")


def _ranges(file: Image.Image) -> tuple[float, ...]:
    """The full scales that values of a 16-bit, 32-bit or float picture may have; none for 8-bit pictures."""
    tags: Any = getattr(file, "tag_v2", {})  # TIFF only
    bits, signed = tags.get(258, (16,))[0], tags.get(339, (1,))[0] == 2
    full = float(2 ** (bits - signed) - 1)
    if file.mode.startswith("I;16"):
        return (full,)
    if file.mode == "I":
        return (65535.0, full)  # many tools keep 16-bit values in 32 bits
    return (1.0, 255.0, 65535.0) if file.mode == "F" else ()


def _eight_bit(values: np.ndarray[Any, Any], ranges: Iterable[float]) -> Image.Image:
    """Grey values → 8 bits, scaled by the smallest full scale that holds them (with room for overshoot)."""
    scales: Iterator[float] = iter(ranges)
    if values.dtype == np.int32 and max(ranges) > 2**31:
        values = values.view(np.uint32)  # Pillow has no unsigned 32-bit mode
    low, high = float(values.min()), float(values.max())
    full = next((scale for scale in scales if high <= 1.5 * scale), None)
    if full is None:
        raise _UnusableError(f"its values go from {low:g} to {high:g}, expected 0…1; save it as 8- or 16-bit PNG")
    return Image.fromarray(np.rint(np.clip(values.astype(np.float32) / full, 0, 1) * 255).astype(np.uint8))
