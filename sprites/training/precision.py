"""Which number format is fast on this machine."""

from __future__ import annotations

import torch


def best_device() -> torch.device:
    """The accelerator when there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_dtype(device: torch.device) -> torch.dtype:
    """bf16 where the hardware multiplies it fast, else fp32.

    A CPU without AVX-512 bf16 (or AMX) runs a bf16 matrix product hundreds of times slower than fp32,
    so support is asked for and never assumed.
    """
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if torch.ops.mkldnn._is_mkldnn_bf16_supported() else torch.float32
