"""LoRA layers in a family's modules, by peft: attach, read, load, scale, remove."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, cast

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import LoraLayer
from peft.utils import get_peft_model_state_dict, set_peft_model_state_dict
from torch import Tensor, nn

from lorabooth.errors import InputError
from lorabooth.randomness import derived_seed

NAME = "subject"
FILE_PREFIX = {"denoiser": "unet", "text_encoder": "text_encoder"}


@dataclass
class Adapter:
    """The trained part: LoRA layers inside frozen modules, fp32, by part (`denoiser`, `text_encoder`)."""

    modules: dict[str, nn.Module]
    configs: dict[str, LoraConfig]
    _scale: float = field(default=1.0)

    def parameters(self, part: str) -> list[nn.Parameter]:
        """Trainable parameters of one part, in a fixed order."""
        return [p for p in self.modules[part].parameters() if p.requires_grad]

    def state(self) -> dict[str, Tensor]:
        """Copies of all adapter tensors, keyed as diffusers reads them: `unet.….lora_A.weight`."""
        out = {}
        for part, module in self.modules.items():
            for key, value in get_peft_model_state_dict(module, adapter_name=NAME).items():
                out[f"{FILE_PREFIX[part]}.{key}"] = value.detach().to("cpu", torch.float32, copy=True)
        return out

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Puts tensors keyed as by ``state`` into the layers.

        Raises:
            InputError: keys or shapes that are not this adapter's.
        """
        mine = self.state()
        wrong = sorted(set(mine) ^ set(state)) or [k for k in mine if mine[k].shape != state[k].shape]
        if wrong:
            raise InputError(
                f"The LoRA does not fit this model and these settings: {len(wrong)} tensors differ, first {wrong[0]}."
            )
        for part, module in self.modules.items():
            prefix = FILE_PREFIX[part] + "."
            own = {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
            set_peft_model_state_dict(module, own, adapter_name=NAME)

    def scale(self, factor: float) -> None:
        """Sets the LoRA scale for what follows: 1 as trained, 0 the base model."""
        for layer in self._layers():
            layer.set_scale(NAME, factor)
        self._scale = factor

    def _layers(self) -> list[LoraLayer]:
        return [m for module in self.modules.values() for m in module.modules() if isinstance(m, LoraLayer)]


def attach(
    modules: Mapping[str, nn.Module],
    targets: Mapping[str, tuple[str, ...]],
    *,
    ranks: Mapping[str, int],
    alpha: float | None,
    dropout: float,
    init: Literal["default", "gaussian"],
    seed: int,
) -> Adapter:
    """Puts LoRA layers beside ``targets`` of each module and freezes everything else.

    The layers start from ``seed`` alone, with B = 0, so that nothing changes at first (arXiv 2106.09685, §4.1).

    Raises:
        InputError: no layer of a module bears one of the names.
    """
    configs = {}
    for number, (part, module) in enumerate(modules.items()):
        module.requires_grad_(False)
        rank = ranks[part]
        config = LoraConfig(
            r=rank,
            lora_alpha=cast(int, rank if alpha is None else alpha),
            lora_dropout=dropout,
            init_lora_weights=True if init == "default" else "gaussian",
            target_modules=list(targets[part]),
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(derived_seed(seed, number, "adapter"))
            try:
                inject_adapter_in_model(config, module, adapter_name=NAME)
            except ValueError as error:
                raise InputError(f"None of the layers {', '.join(targets[part])} is in the {part}.") from error
        for name, parameter in module.named_parameters():
            if f".{NAME}." in name or name.endswith(f".{NAME}"):
                parameter.data = parameter.data.float()
                parameter.requires_grad_(True)
        configs[part] = config
    return Adapter(dict(modules), configs)


def adapter_metadata(adapter: Adapter) -> dict[str, Any]:
    """Each part's LoRA configuration with the prefixes of diffusers' ``lora_adapter_metadata``."""
    return {
        f"{FILE_PREFIX[part]}.{key}": sorted(value) if isinstance(value, set) else value
        for part, config in adapter.configs.items()
        for key, value in config.to_dict().items()
    }
