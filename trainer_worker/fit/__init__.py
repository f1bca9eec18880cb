"""Fitting a surrogate: a pure function of the observed items, their rewards and a seed."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.records.session import SurrogateFamily
from apa.surrogates.base import Surrogate
from trainer_worker.fit.cnn import fit_cnn
from trainer_worker.fit.encode import Encode, FeatureCache, encode_items
from trainer_worker.fit.linear import fit_linear
from trainer_worker.fit.transport import Transport

__all__ = ["FeatureCache", "Transport", "fit"]


def fit(
    family: SurrogateFamily,
    prior: Prior,
    x: Tensor,
    rewards: Tensor,
    seed: int,
    encode: Encode = encode_items,
    transport: Transport | None = None,
) -> Surrogate:
    """The surrogate of a session.

    Args:
        x: (M, *data_shape), the observed items. rewards: (M,), in the user's units.
        encode: how the linear family gets the prior's features; a `FeatureCache` remembers them.
        transport: how its heads look through noise, where the prior has one.

    Raises:
        InvalidArgument: nothing observed, shapes that disagree, a value that is not finite, or a family
            that this prior cannot serve.
    """
    _check(prior, x, rewards)
    if family == "cnn":
        return fit_cnn(prior.data_shape, x, rewards, seed)
    if prior.feature_dim == 0:
        raise InvalidArgument(
            "the linear surrogate needs a prior with features",
            field="surrogate",
            expected="feature_dim of at least 1",
            found=f"0 for {prior.card.name}",
        )
    return fit_linear(prior, x, rewards, seed, encode, transport)


def _check(prior: Prior, x: Tensor, rewards: Tensor) -> None:
    expected = (len(rewards), *prior.data_shape)
    if len(rewards) == 0 or rewards.dim() != 1 or tuple(x.shape) != expected:
        raise InvalidArgument(
            "items and rewards do not match",
            field="x",
            expected=f"(M, {', '.join(map(str, prior.data_shape))}) with M >= 1 and rewards (M,)",
            found=f"x {tuple(x.shape)}, rewards {tuple(rewards.shape)}",
        )
    for name, tensor in (("x", x), ("rewards", rewards)):
        if not bool(torch.isfinite(tensor).all()):
            raise InvalidArgument("not finite", field=name, expected="finite values", found="NaN or infinity")
