"""Fitting the paper's reward network: mean squared error on the clean observed items, Adam, a fixed seed."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from apa.surrogates.cnn import CnnSurrogate, RewardNetwork, frozen, image_shape
from apa.surrogates.posterior import Posterior
from trainer_worker.fit.ridge import choose_ratio, posterior, spectrum
from trainer_worker.fit.standardise import feature_scale, standardise_rewards
from trainer_worker.observations import Observations

NUM_STEPS = 120
LEARNING_RATE = 2e-3


def fit_cnn(data_shape: tuple[int, ...], observations: Observations, seed: int) -> CnnSurrogate:
    """The network for the observed items (M, C, H, W); the same data and seed give the same network.

    Raises:
        InvalidArgument: the data are not images, or the answers no numbers.
    """
    shape = image_shape(data_shape)
    observations.require("scalar", family="cnn")
    x = observations.x[observations.item_of_value]
    y, reward_mean, reward_scale = standardise_rewards(observations.values)
    network = frozen(_trained(shape[0], x.float(), y.float(), seed))
    with torch.no_grad():
        last_layer = _last_layer(network.hidden(x.float()).double(), y)
    return CnnSurrogate(network, shape, last_layer, reward_mean, reward_scale)


def _trained(channels: int, x: Tensor, y: Tensor, seed: int) -> RewardNetwork:
    network = RewardNetwork(channels)
    _initialise(network, torch.Generator().manual_seed(seed))
    optimizer = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(NUM_STEPS):
            optimizer.zero_grad()
            torch.autograd.backward(mse_loss(network(x), y))
            optimizer.step()
    return network


def _initialise(network: RewardNetwork, generator: torch.Generator) -> None:
    """Torch's own way, uniform in 1 / sqrt(fan in), but from a generator: threads share the global one."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            bound = 1.0 / math.sqrt(layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator=generator)
            assert layer.bias is not None
            nn.init.uniform_(layer.bias, -bound, bound, generator=generator)


def _last_layer(hidden: Tensor, y: Tensor) -> Posterior:
    """What a Bayesian last layer on the hidden units (M, H) would still not know."""
    scale = feature_scale(hidden)
    width = scale.scale * math.sqrt(hidden.shape[1])
    z = (hidden - scale.mean) / width
    problem = spectrum(torch.cat([z, torch.ones_like(z[:, :1])], dim=1), y)
    known = posterior(problem, choose_ratio([problem]))
    return Posterior(scale.mean.float(), width.float(), known.factor.float(), 1.0, math.sqrt(known.variance))
