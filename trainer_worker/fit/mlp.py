"""Fitting the ensemble: all members in one product, each anchored to a draw of its own from the prior.

Each member minimises its loss and |theta - anchor|^2 / prior variance, with an anchor drawn from that prior:
samples of the posterior where networks are wide (Pearce et al. 2020, arXiv 1810.05546). Where no answer pulls
them, the members stay as far apart as their anchors.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from apa.records.session import COMPARING
from apa.surrogates.mlp import Ensemble, MlpSurrogate
from apa.surrogates.stacked_networks import frozen
from trainer_worker.fit.losses import Loss, Units, loss_of, units_of_outputs
from trainer_worker.fit.reading import fit_reading
from trainer_worker.observations import Observations

NUM_STEPS = 150
LEARNING_RATE = 0.01
NOISE_VARIANCE = 0.1
"""Of a reward, standardised."""
LATENT_STD = 2.0
"""Of the latents of choices, in units of which outputs are trained: logits of 12% to 88% within one."""
GAIN = 1.5
"""Prior standard deviation of a hidden layer's weights, times sqrt(fan in); that of the first layer is one,
as its input has unit length."""
BIAS_STD = (1.0, 1.0, 0.5)


def fit_mlp(observations: Observations, seed: int) -> MlpSurrogate:
    """The ensemble for the observed items; the same data and seed give the same networks."""
    network = Ensemble(fit_reading(observations.x))
    stds = _prior_stds(network)
    _draw(network, stds, torch.Generator().manual_seed(seed))
    scalar = observations.kind == "scalar"
    units = Units.of_rewards(observations) if scalar else Units(0.0, LATENT_STD)
    loss = loss_of(observations, units)
    x = observations.x.float()
    _train(network, stds, x, loss, len(observations) / (2.0 * NOISE_VARIANCE if scalar else 1.0))
    if not scalar:
        units = _standardise(network, x, observations, units)
    return MlpSurrogate(frozen(network), tuple(x.shape[1:]), *units, link=loss.link)


def _prior_stds(network: Ensemble) -> list[float]:
    """Of each parameter, in their order: first all weights, then all biases."""
    of_weights = [1.0, *(GAIN / math.sqrt(weight.shape[1]) for weight in list(network.weights)[1:])]
    return [*of_weights, *BIAS_STD]


@torch.no_grad()
def _draw(network: Ensemble, stds: list[float], generator: torch.Generator) -> None:
    for parameter, std in zip(network.parameters(), stds, strict=True):
        nn.init.normal_(parameter, std=std, generator=generator)


def _train(network: Ensemble, stds: list[float], x: Tensor, loss: Loss, precision: float) -> None:
    """Adam on the mean over answers of loss and anchoring; precision: of all answers, times their loss."""
    parameters = list(network.parameters())
    anchors = [parameter.detach().clone() for parameter in parameters]
    optimizer = torch.optim.Adam(parameters, lr=LEARNING_RATE)
    with torch.enable_grad():
        for _ in range(NUM_STEPS):
            optimizer.zero_grad()
            pull = torch.stack(
                [
                    ((own - anchor) / std).square().sum()
                    for own, anchor, std in zip(parameters, anchors, stds, strict=True)
                ]
            ).sum()
            torch.autograd.backward(loss(network.members(x)).sum() + 0.5 * pull / precision)
            optimizer.step()


@torch.no_grad()
def _standardise(network: Ensemble, x: Tensor, observations: Observations, units: Units) -> Units:
    """Let the networks put out their latents in the latents' own units; which these are."""
    if observations.kind in COMPARING:
        # What only orders says nothing of the level, which is each member's own until it is agreed upon.
        network.biases[-1] -= network.members(x).mean(dim=1)[:, None, None]
    own = units_of_outputs(units.mean + units.scale * network.members(x), observations)
    network.weights[-1] *= units.scale / own.scale
    network.biases[-1].mul_(units.scale).add_(units.mean - own.mean).div_(own.scale)
    return own
