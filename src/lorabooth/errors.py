"""What goes wrong, said in one sentence: what was found, what was expected, what to type."""

from __future__ import annotations


class LoraboothError(Exception):
    """A fault with a sentence for the user and, where there is one, a hint on what to type next."""

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        """Message and hint, as printed by the command line."""
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class InputError(LoraboothError):
    """Something the user gave is wrong: a photo, an option, a file, a model (exit code 2)."""


class MachineError(LoraboothError):
    """The machine failed: disk full, out of memory, a folder that can't be written (exit code 3)."""

    exit_code = 3
