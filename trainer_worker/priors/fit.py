"""The training loop: a function of the data and the options, whoever interrupts it."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from apa.errors import NumericalError
from apa.priors.mlp import MLP, MLPConfig
from apa.priors.network import DenoiserNetwork, Preconditioning
from apa.priors.schedule import VPSchedule
from apa.priors.unet import UNet, UNetConfig
from trainer_worker.priors.data import TrainingData
from trainer_worker.priors.labels import DROPOUT
from trainer_worker.priors.objective import denoising_loss, hide_labels
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.state import TrainingState

AfterStep = Callable[[TrainingState], None]


def new_network(data_shape: tuple[int, ...], options: FitOptions, num_classes: int = 0) -> DenoiserNetwork:
    """An untrained network for the shape: a U-Net for (C, H, W), an MLP for (D,); the seed decides it."""
    size: dict[str, int] = {
        "width": options.width,
        "num_blocks": options.blocks,
        "num_classes": num_classes,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(options.seed)
        if len(data_shape) == 3:
            channels, height, width = data_shape
            shape = (channels, height, width)
            return UNet(UNetConfig(data_shape=shape, **size))
        return MLP(MLPConfig(data_shape=(data_shape[0],), features="stream", **size))


def new_state(data: TrainingData, options: FitOptions) -> TrainingState:
    network = new_network(data.data_shape, options, len(data.class_names))
    return TrainingState.start(network, options.lr)


def preconditioning_of(data: TrainingData) -> Preconditioning:
    return Preconditioning(VPSchedule(), data.mean, data.std)


def train(state: TrainingState, data: TrainingData, options: FitOptions, after_step: AfterStep) -> None:
    """Advance the state to `options.steps`, calling `after_step` after each.

    Every random draw of a step comes from a generator seeded by the seed and the step, so that an interrupted
    and resumed fit ends at the same weights.
    """
    preconditioning = preconditioning_of(data)
    precision = torch.bfloat16 if options.precision == "bfloat16" else torch.float32
    while state.step < options.steps:
        generator = torch.Generator().manual_seed((options.seed << 32) + state.step)
        indices = _batch_indices(len(data), options, state.step)
        set_learning_rate(state, options)
        labels = None
        if data.labels is not None:
            labels = hide_labels(data.labels[indices], len(data.class_names), DROPOUT, generator)
        x_0 = data.batch(indices)
        loss = denoising_loss(state.network, preconditioning, x_0, generator, precision, labels)
        _descend(state, loss)
        state.step += 1
        state.update_ema(options.ema)
        after_step(state)


def set_learning_rate(state: TrainingState, options: FitOptions) -> None:
    """Linear warm-up, then half a cosine down to 0 at the last step."""
    warmup = min(1.0, (state.step + 1) / options.warmup_steps)
    rate = options.lr * warmup * 0.5 * (1.0 + math.cos(math.pi * state.step / options.steps))
    for group in state.optimizer.param_groups:
        group["lr"] = rate


def _descend(state: TrainingState, loss: Tensor) -> None:
    value = loss.item()
    if not math.isfinite(value):
        raise NumericalError(
            "the loss became non-finite; a lower learning rate helps",
            field=f"step {state.step}",
            expected="a finite loss",
            found=str(value),
        )
    state.optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.network.parameters(), 1.0)
    state.optimizer.step()
    state.losses.append(value)


def _batch_indices(num_items: int, options: FitOptions, step: int) -> Tensor:
    """(B,) item indices: consecutive stretches of a fresh permutation per pass over the data."""
    positions = torch.arange(step * options.batch, (step + 1) * options.batch)
    passes = positions // num_items
    indices = torch.empty_like(positions)
    for number in range(int(passes[0]), int(passes[-1]) + 1):
        generator = torch.Generator().manual_seed((options.seed << 32) + (1 << 31) + number)
        permutation = torch.randperm(num_items, generator=generator)
        here = passes == number
        indices[here] = permutation[positions[here] % num_items]
    return indices
