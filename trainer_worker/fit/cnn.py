"""Fitting the paper's reward network: Adam on the clean observed items, a fixed number of steps and seed."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from apa.surrogates.cnn import CnnSurrogate, RewardNetwork, image_shape
from apa.surrogates.posterior import Posterior
from apa.surrogates.stacked_networks import frozen
from trainer_worker.fit.head import fit_head
from trainer_worker.fit.linear import posterior_of, standardised
from trainer_worker.fit.losses import Loss, Units, loss_of, units_of_outputs
from trainer_worker.fit.standardise import feature_scale
from trainer_worker.observations import Observations

NUM_STEPS = 120
LEARNING_RATE = 2e-3


def fit_cnn(
    data_shape: tuple[int, ...], observations: Observations, seed: int, previous: CnnSurrogate | None = None
) -> CnnSurrogate:
    """The network for the observed items (M, C, H, W); the same data and seed give the same network.

    Args:
        previous: whose network goes on training, in its units and with a fresh Adam, so that what is observed
            need only be what is new (Algorithm 1 as printed); None begins with a network drawn from the seed.

    Raises:
        InvalidArgument: the data are not images.
    """
    channels, height, width = image_shape(data_shape)
    network = _drawn(channels, seed) if previous is None else copy.deepcopy(previous.network)
    units = _units(observations, previous)
    loss = loss_of(observations, units)
    x = observations.x.float()
    _train(network, x, loss)
    if previous is None and observations.kind != "scalar":
        units = _standardise(network, x, observations)
    with torch.no_grad():
        last_layer = _last_layer(network.hidden(x).double(), observations, units)
    return CnnSurrogate(frozen(network), (channels, height, width), last_layer, *units, link=loss.link)


def _units(observations: Observations, previous: CnnSurrogate | None) -> Units:
    if previous is not None:
        return Units(previous.reward_mean, previous.reward_scale)
    return Units.of_rewards(observations) if observations.kind == "scalar" else Units()


def _drawn(channels: int, seed: int) -> RewardNetwork:
    """Torch's own way, uniform in 1 / sqrt(fan in), but from a generator: threads share the global one."""
    network, generator = RewardNetwork(channels), torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            assert layer.bias is not None
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)
    return network


def _train(network: RewardNetwork, x: Tensor, loss: Loss) -> None:
    network.requires_grad_(True)
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(NUM_STEPS):
            optimizer.zero_grad()
            torch.autograd.backward(loss(network(x)))
            optimizer.step()


@torch.no_grad()
def _standardise(network: RewardNetwork, x: Tensor, observations: Observations) -> Units:
    """Let the network put out its latents in their own units; which these are."""
    units = units_of_outputs(network(x)[None], observations)
    network.head.weight /= units.scale
    network.head.bias.sub_(units.mean).div_(units.scale)
    return units


def _last_layer(hidden: Tensor, observations: Observations, units: Units) -> Posterior:
    """What a Bayesian last layer on the hidden units (M, H) would still not know."""
    scale = feature_scale(hidden)
    end = fit_head(standardised(hidden, scale), observations)
    return replace(posterior_of(scale, end), weight_std=end.weight_std * end.reward_scale / units.scale)
