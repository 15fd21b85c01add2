"""PNG files that say what they show: settings travel as text inside the picture."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image, PngImagePlugin

from lorabooth.errors import InputError
from lorabooth.files import write_atomic


def save_png(image: Image.Image, path: Path, info: Mapping[str, str]) -> None:
    """Writes a PNG with ``info`` in its text chunks, atomically.

    Keys are 1 to 79 Latin-1 characters, as the format asks; values are any text.

    Raises:
        ValueError: a key is empty, too long or not Latin-1.
        MachineError: the disk is full, or the folder can't be written.
    """
    chunks = PngImagePlugin.PngInfo()
    for key, value in info.items():
        _check_key(key)
        chunks.add_text(key, value.encode("utf-8", "replace").decode("utf-8"))
    # Encoded in memory first: Pillow would report a full disk as "encoder error" without its reason.
    encoded = io.BytesIO()
    image.save(encoded, format="PNG", pnginfo=chunks)
    write_atomic(path, lambda file: (file.write(encoded.getvalue()), None)[1])


def read_info(path: Path) -> dict[str, str]:
    """The texts that ``save_png`` put into a PNG; empty if it holds none.

    Raises:
        InputError: the file is missing or isn't a PNG.
    """
    try:
        with Image.open(path, formats=["PNG"]) as image:
            if not isinstance(image, PngImagePlugin.PngImageFile):
                raise TypeError(type(image))
            return {key: str(value) for key, value in image.text.items()}
    except FileNotFoundError:
        raise InputError(f"{path} doesn't exist.") from None
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path} can't be read as a PNG picture ({error}).") from error


def _check_key(key: str) -> None:
    if not 1 <= len(key) <= 79 or "\0" in key or not key.isprintable() or max(map(ord, key)) > 255:
        raise ValueError(f"{key!r} can't name a text in a PNG: 1 to 79 printable Latin-1 characters are allowed.")
