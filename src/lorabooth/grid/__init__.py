"""Labelled picture grids: the names of rows and columns stand on the picture, its settings inside the file."""

from lorabooth.grid.draw import draw_grid
from lorabooth.grid.layout import Box, Labels, Layout, PlacedText, fitted, layout
from lorabooth.grid.png import read_info, save_png
from lorabooth.grid.stack import Panel, stack_grids

__all__ = [
    "Box",
    "Labels",
    "Layout",
    "Panel",
    "PlacedText",
    "draw_grid",
    "fitted",
    "layout",
    "read_info",
    "save_png",
    "stack_grids",
]
