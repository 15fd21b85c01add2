"""Writing files so that a kill at any moment leaves the old file or the new one, never half of one."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from lorabooth.errors import MachineError


def write_atomic(path: Path, writer: Callable[[BinaryIO], None]) -> None:
    """Lets ``writer`` fill a temporary file beside ``path``, flushes it to disk and renames it.

    Raises:
        MachineError: the disk is full, or the folder can't be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            writer(file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        raise disk_fault(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically."""
    write_atomic(path, lambda file: (file.write(text.encode("utf-8")), None)[1])


def disk_fault(path: Path, error: OSError) -> MachineError:
    """An operating system's refusal as a sentence."""
    if error.errno == errno.ENOSPC:
        return MachineError(
            f"The disk is full: {path} could not be written.", "Free some space, then run the command again."
        )
    if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
        return MachineError(
            f"{path.parent} can't be written ({os.strerror(error.errno)}).", "Choose another output folder."
        )
    return MachineError(f"{path} could not be written ({error.strerror or error}).")
