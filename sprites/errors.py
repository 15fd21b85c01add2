"""The one error that the recipe raises on purpose."""

from __future__ import annotations


class RecipeError(Exception):
    """Something the person running the recipe can fix; the message says what was found and what to do."""
