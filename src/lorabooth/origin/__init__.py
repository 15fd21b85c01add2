"""Reads the parameter files of the origin (github.com/amansyayf/Dreambooth_LoRA, `9484392`) into lorabooth's words."""

from lorabooth.origin.args import OriginArgs, read_args
from lorabooth.origin.inference import OriginInference, read_inference

__all__ = ["OriginArgs", "OriginInference", "read_args", "read_inference"]
