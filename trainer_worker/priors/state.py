"""The state of a fit between two steps, and its checkpoint: one safetensors file, replaced atomically."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from apa.errors import DataLoss, FailedPrecondition
from apa.priors.network import DenoiserNetwork

_MOMENTS = ("exp_avg", "exp_avg_sq")


@dataclass
class TrainingState:
    """Weights, their average, the optimiser's moments, and how many steps made them."""

    network: DenoiserNetwork
    optimizer: torch.optim.AdamW
    ema: dict[str, Tensor]
    step: int = 0
    losses: list[float] = field(default_factory=list)
    """The losses since the last progress line; not part of a checkpoint."""

    @classmethod
    def start(cls, network: DenoiserNetwork, lr: float) -> TrainingState:
        network.train().requires_grad_(True)
        optimizer = torch.optim.AdamW(network.parameters(), lr=lr, betas=(0.9, 0.99), weight_decay=1e-4)
        ema = {name: parameter.detach().clone() for name, parameter in network.named_parameters()}
        return cls(network, optimizer, ema)

    def update_ema(self, decay: float) -> None:
        """One step of the average; a short memory at first, so that the initial weights are forgotten."""
        decay = min(decay, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            for name, parameter in self.network.named_parameters():
                self.ema[name].lerp_(parameter, 1.0 - decay)


def save_checkpoint(state: TrainingState, path: Path, about: dict[str, Any]) -> None:
    """Write the state; `about` is what a resumed fit compares with its own options and data."""
    tensors = {f"ema/{name}": value for name, value in state.ema.items()}
    for name, parameter in state.network.named_parameters():
        tensors[f"weights/{name}"] = parameter.detach()
        for moment in _MOMENTS:
            tensors[f"{moment}/{name}"] = state.optimizer.state[parameter][moment]
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    contiguous = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(contiguous, partial, metadata={"step": str(state.step), "about": json.dumps(about)})
    os.replace(partial, path)


def load_checkpoint(state: TrainingState, path: Path, about: dict[str, Any]) -> None:
    """Restore into a state that `start` made for the same options and data.

    Raises:
        FailedPrecondition: the checkpoint belongs to another fit.
        DataLoss: it is damaged.
    """
    tensors, step, found = read_checkpoint(path)
    wanted, stored = _identity(about), _identity(found)
    differing = sorted(key for key in wanted.keys() | stored.keys() if wanted.get(key) != stored.get(key))
    if differing:
        raise FailedPrecondition(
            "the checkpoint belongs to another fit; use its options, or start anew without --resume",
            field=", ".join(differing),
            expected=str({key: stored.get(key) for key in differing}),
            found=str({key: wanted.get(key) for key in differing}),
        )
    with torch.no_grad():
        for name, parameter in state.network.named_parameters():
            parameter.copy_(tensors[f"weights/{name}"])
            state.ema[name].copy_(tensors[f"ema/{name}"])
            moments = {m: torch.empty_like(parameter).copy_(tensors[f"{m}/{name}"]) for m in _MOMENTS}
            state.optimizer.state[parameter] = {"step": torch.tensor(float(step)), **moments}
    state.step = step


def _identity(about: dict[str, Any]) -> dict[str, Any]:
    """What a resumed fit must share: the data, and every option but the number of steps.

    Another number continues on its own learning-rate curve; only the same number ends at the same weights.
    """
    options = {key: value for key, value in about["options"].items() if key != "steps"}
    return {**options, **about["data"]}


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], int, dict[str, Any]]:
    """The tensors, the step and the description of a checkpoint file."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        return tensors, int(metadata["step"]), json.loads(metadata["about"])
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataLoss(
            "the checkpoint is damaged", field=path.name, expected="a checkpoint", found=str(error)
        ) from error
