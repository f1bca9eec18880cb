"""What a surrogate expects of what could be shown, wherever that is computed."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.base import Joint, Prediction, Surrogate
from sampler_service.calls import Job
from sampler_service.showable import Pool


class Expecting(Protocol):
    """What a surrogate expects of M items, at least 1: by themselves, x: (M, *data_shape), or, where it reads
    those, by their features (M, F) at the data end. What is given and answered is on the host.
    """

    def predict(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction: ...

    def joint(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint: ...

    def predict_features(self, surrogate: Surrogate, features: Tensor) -> Prediction | None: ...

    def joint_features(self, surrogate: Surrogate, features: Tensor) -> Joint | None: ...

    def predict_items(self, surrogate: Surrogate, x: Tensor) -> Prediction | None: ...

    def joint_items(self, surrogate: Surrogate, x: Tensor) -> Joint | None: ...


class AtOnce:
    """Asks the surrogate where it is, for all items at once."""

    def predict(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Prediction:
        return surrogate.predict(prior, x)

    def joint(self, prior: Prior, surrogate: Surrogate, x: Tensor) -> Joint:
        return surrogate.joint(prior, x)

    def predict_features(self, surrogate: Surrogate, features: Tensor) -> Prediction | None:
        return surrogate.predict_features(features)

    def joint_features(self, surrogate: Surrogate, features: Tensor) -> Joint | None:
        return surrogate.joint_features(features)

    def predict_items(self, surrogate: Surrogate, x: Tensor) -> Prediction | None:
        latent = surrogate.latent_items(x)
        return None if latent is None else surrogate.in_users_units(latent)

    def joint_items(self, surrogate: Surrogate, x: Tensor) -> Joint | None:
        return surrogate.joint_items(x)


def expected_of(job: Job, pool: Pool, expecting: Expecting, *, roughly: bool = False) -> Prediction:
    """The reward expected of each of the pool, in the user's units; zeros before anything is learnt.

    Args:
        roughly: for a first look at many, in their own precision where the surrogate reads only them.
    """
    if job.surrogate is None or len(pool) == 0:
        zeros = torch.zeros(len(pool))
        return Prediction(zeros, zeros)
    if roughly and pool.latent is not None:
        return job.surrogate.in_users_units(pool.latent)
    known = None
    if pool.features is not None:
        known = expecting.predict_features(
            job.surrogate, pool.features if roughly else pool.features.double()
        )
    if known is None:
        known = expecting.predict_items(job.surrogate, pool.x if roughly else pool.x.double())
    return expecting.predict(job.prior, job.surrogate, pool.x) if known is None else known


def correlation_of(job: Job, pool: Pool, expecting: Expecting) -> Tensor:
    """(M, M) of the rewards of the pool: of the joint posterior only what has no unit."""
    if job.surrogate is None or len(pool) == 0:
        return torch.eye(len(pool), dtype=torch.float64)
    known = None
    if pool.features is not None:
        known = expecting.joint_features(job.surrogate, pool.features)
    if known is None:
        known = expecting.joint_items(job.surrogate, pool.x)
    joint = expecting.joint(job.prior, job.surrogate, pool.x) if known is None else known
    return joint.correlation
