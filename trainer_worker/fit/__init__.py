"""Fitting a surrogate: a pure function of the observed items, the answers about them and a seed."""

from __future__ import annotations

import math

import torch

from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.records.session import FeedbackKindName, SurrogateFamily
from apa.surrogates.base import Surrogate
from apa.surrogates.cnn import CnnSurrogate
from trainer_worker.fit.cnn import fit_cnn
from trainer_worker.fit.encode import Encode, FeatureCache, encode_items
from trainer_worker.fit.exact_gp import fit_exact_gps, is_exact
from trainer_worker.fit.gp import coordinates_of, fit_gp, places
from trainer_worker.fit.linear import fit_linear
from trainer_worker.fit.mlp import fit_mlp
from trainer_worker.fit.transport import Transport
from trainer_worker.fit.warm import WarmStart
from trainer_worker.observations import Observations

__all__ = ["FeatureCache", "Transport", "WarmStart", "fit"]

NAMED: dict[FeedbackKindName, tuple[int, float]] = {
    "scalar": (1, 1),
    "binary": (1, 1),
    "pairwise": (2, 2),
    "ranking": (2, math.inf),
}
"""The fewest and the most items that one answer is about."""


def fit(
    family: SurrogateFamily,
    prior: Prior,
    observations: Observations,
    seed: int,
    encode: Encode = encode_items,
    transport: Transport | None = None,
    previous: Surrogate | None = None,
    warm: WarmStart | None = None,
) -> Surrogate:
    """The surrogate of a session.

    Args:
        encode: how the families that read the prior's features get them; a `FeatureCache` remembers them.
        transport: how features look through noise, where the prior has one.
        previous: a cnn whose network goes on training on these observations; None begins anew.
        warm: what a gp begins from; nothing of it is left where the answers do not bear it out.

    Raises:
        InvalidArgument: nothing observed, shapes that disagree, a value that is not finite, or a family
            that this prior or this kind of answer cannot serve.
    """
    check(prior, observations)
    if family == "cnn":
        return fit_cnn(prior.data_shape, observations, seed, _cnn(previous))
    if previous is not None:
        raise _not_continued(family)
    if warm is not None and family != "gp":
        raise InvalidArgument(
            "only a gp begins from a cohort", field="surrogate", expected="gp", found=family
        )
    if family == "mlp":
        return fit_mlp(observations, seed)
    warmed = None if warm is None else warm.fit(prior, observations, seed, encode)
    if warmed is not None:
        return warmed
    if family == "gp" and is_exact(observations):
        at = coordinates_of(prior, transport)
        z = places(prior, at, observations.x, seed, encode)
        return fit_exact_gps(at, [(observations, z)], transport)[0]
    if family == "gp":
        return fit_gp(prior, observations, seed, encode, transport)
    if prior.feature_dim == 0:
        raise InvalidArgument(
            "the linear surrogate needs a prior with features",
            field="surrogate",
            expected="feature_dim of at least 1",
            found=f"0 for {prior.card.name}",
        )
    return fit_linear(prior, observations, seed, encode, transport)


def _cnn(previous: Surrogate | None) -> CnnSurrogate | None:
    if previous is None or isinstance(previous, CnnSurrogate):
        return previous
    raise _not_continued(previous.family)


def _not_continued(family: str) -> InvalidArgument:
    return InvalidArgument(
        "only the network of a cnn goes on training", field="previous", expected="a cnn", found=family
    )


def check(prior: Prior, observations: Observations) -> None:
    """Raise InvalidArgument unless the observations are whole, finite, and of this prior's items."""
    x, rows, values = observations.x, observations.rows, observations.values
    if not rows or tuple(values.shape) != (len(rows),) or tuple(x.shape[1:]) != prior.data_shape:
        raise InvalidArgument(
            "items and answers do not match",
            field="x",
            expected=f"(M, {', '.join(map(str, prior.data_shape))}), A >= 1 rows and values (A,)",
            found=f"x {tuple(x.shape)}, {len(rows)} rows, values {tuple(values.shape)}",
        )
    named = [row for answer in rows for row in answer]
    if named and not 0 <= min(named) <= max(named) < len(x):
        found = f"rows {min(named)} to {max(named)}"
        raise InvalidArgument("no such item", field="rows", expected=f"0 to {len(x) - 1}", found=found)
    for name, tensor in (("x", x), ("values", values)):
        if not bool(torch.isfinite(tensor).all()):
            raise InvalidArgument("not finite", field=name, expected="finite values", found="NaN or infinity")
    _check_kind(observations)


def _check_kind(observations: Observations) -> None:
    """What each kind of answer names, and how often."""
    fewest, most = NAMED[observations.kind]
    several = [rows for rows in observations.rows if len(rows) != 1] if fewest == 1 else observations.rows
    for rows in several:
        if not fewest <= len(rows) <= most or len(set(rows)) != len(rows):
            expected = f"{fewest} to {most} different items in an answer"
            raise InvalidArgument("no such answer", field="rows", expected=expected, found=str(rows))
    if observations.kind == "binary" and not set(observations.values.tolist()) <= {0.0, 1.0}:
        found = str(sorted(set(observations.values.tolist())))
        raise InvalidArgument("no such answer", field="values", expected="1 or 0", found=found)
