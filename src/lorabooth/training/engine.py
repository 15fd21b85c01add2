"""Device, precision and processes, through Accelerate; nothing else in the package knows of it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lorabooth.errors import InputError

if TYPE_CHECKING:
    from accelerate import Accelerator

PATIENCE = timedelta(days=7)  # the others wait while the main process draws class images or samples

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def cpu_bf16_is_fast() -> bool:
    """Whether this CPU multiplies bf16 in hardware (AVX-512 bf16, AMX, Arm); others are hundreds of times slower."""
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def choose_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format for `auto`, `fp32`, `fp16` or `bf16` on this device.

    `auto` on a CPU is fp32: the steps of small models are no faster in bf16, and results stay comparable.

    Raises:
        InputError: the device can't compute in the format asked for at a usable speed.
    """
    if precision == "auto":
        if device.type == "cuda":
            return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
        return torch.float32
    if device.type == "cpu" and precision == "fp16":
        raise InputError(
            "training.precision=fp16 needs a GPU.",
            "On a CPU type training.precision=fp32, or bf16 where the CPU has it.",
        )
    if device.type == "cpu" and precision == "bf16" and not cpu_bf16_is_fast():
        raise InputError(
            "This CPU has no bf16 hardware; a step would take hundreds of times longer.",
            "Type training.precision=fp32.",
        )
    return DTYPES[precision]


class Engine:
    """One process of a run: where tensors go, how gradients of several processes become one."""

    def __init__(self, dtype_name: str) -> None:
        self.accelerator: Accelerator | None = None
        self.device, self.rank, self.processes = torch.device("cpu"), 0, 1
        self._connect()
        self.dtype = choose_dtype(dtype_name, self.device)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=self.dtype is torch.float16)

    def _connect(self) -> None:
        from accelerate import Accelerator, InitProcessGroupKwargs

        # Without cpu=True, Accelerate takes each CPU process that torchrun starts for a run of its own.
        self.accelerator = Accelerator(
            mixed_precision="no",
            cpu=not torch.accelerator.is_available(),
            kwargs_handlers=[InitProcessGroupKwargs(timeout=PATIENCE)],
        )
        self.device = self.accelerator.device
        self.rank, self.processes = self.accelerator.process_index, self.accelerator.num_processes
        if self.processes == 1 and {"ACCELERATE_USE_CPU", "MASTER_ADDR"} <= os.environ.keys():
            raise InputError(
                "accelerate launch --cpu started one process where several were asked for: more need MPI.",
                "Type accelerate launch --multi_gpu --num_processes 2 -m lorabooth train …, which works on CPUs too, "
                "or torchrun --nproc_per_node 2 -m lorabooth train …",
            )

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and talks to the user."""
        return self.rank == 0

    def shared(self, make: Callable[[], str]) -> str:
        """What the main process makes, for all processes."""
        if self.processes == 1:
            return make()
        from accelerate.utils import broadcast_object_list

        made = [make() if self.is_main else ""]
        broadcast_object_list(made)
        return made[0]

    @contextlib.contextmanager
    def autocast(self) -> Iterator[None]:
        """Adapter matrices are fp32; products run in the model's format."""
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not torch.float32):
            yield

    def backward(self, loss: Tensor) -> None:
        """Backpropagates, scaled in fp16."""
        self.scaler.scale(loss).backward()

    def average_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """Mean of the gradients over all processes, as one message."""
        if self.processes == 1 or self.accelerator is None:
            return
        gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
        flat = self.accelerator.reduce(torch.cat([g.flatten() for g in gradients]), reduction="mean")
        for parameter, part in zip(parameters, flat.split([g.numel() for g in gradients]), strict=True):
            parameter.grad = part.view_as(parameter).clone()

    def mean(self, values: Tensor) -> Tensor:
        """Mean of a tensor over all processes."""
        if self.processes == 1 or self.accelerator is None:
            return values
        reduced: Tensor = self.accelerator.reduce(values, reduction="mean")
        return reduced

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self.processes == 1:
            return flag
        return bool(self.mean(torch.tensor([float(flag)], device=self.device)).item() > 0)

    def wait(self) -> None:
        """Returns when every process has come here."""
        if self.accelerator is not None and self.processes > 1:
            self.accelerator.wait_for_everyone()
