"""Small priors with random weights: a fresh network's zeroed layers would hide wrong wiring."""

from __future__ import annotations

from typing import Literal

import torch

from apa.priors.mlp import MLP, MLPConfig
from apa.priors.network import DenoiserNetwork, NetworkPrior, Preconditioning
from apa.priors.schedule import VPSchedule
from apa.priors.unet import UNet, UNetConfig
from apa.records.prior_card import PriorCard


def small_unet_prior(data_shape: tuple[int, int, int] = (1, 8, 8), num_classes: int = 0) -> NetworkPrior:
    config = UNetConfig(
        data_shape=data_shape,
        width=16,
        num_blocks=1,
        num_heads=2,
        embedding_dim=16,
        num_classes=num_classes,
    )
    return _prior_of(randomised(UNet(config)))


def small_mlp_prior(
    num_dims: int = 5, num_classes: int = 0, features: Literal["bottleneck", "stream"] = "bottleneck"
) -> NetworkPrior:
    config = MLPConfig(
        data_shape=(num_dims,),
        width=16,
        num_blocks=1,
        feature_dim=8,
        features=features,
        embedding_dim=16,
        num_classes=num_classes,
    )
    return _prior_of(randomised(MLP(config)))


def randomised(network: DenoiserNetwork) -> DenoiserNetwork:
    """Every parameter moved by a little noise, the same each time."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator), alpha=0.05)
    return network


def _prior_of(network: DenoiserNetwork) -> NetworkPrior:
    card = PriorCard(
        name="small",
        kind="image" if len(network.data_shape) == 3 else "vector",
        data_shape=network.data_shape,
        decoder="none",
        feature_dim=network.feature_dim,
        class_names=tuple(f"class-{label}" for label in range(network.num_classes)),
    )
    return NetworkPrior(network, Preconditioning(VPSchedule(), 0.1, 0.8), card, content_hash="0" * 16)
