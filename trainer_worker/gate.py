"""What an artifact must pass before it steers anybody: it loads back, and predicts what it was fitted on."""

from __future__ import annotations

import torch

from apa.errors import NumericalError
from apa.priors.base import Prior
from apa.surrogates import load
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations

WORST_ERROR = 1.05
"""Squared error on the training items over that of their mean; above one the fit is worse than no fit."""


def check(blob: bytes, prior: Prior, observations: Observations) -> None:
    """Check an artifact, as the sampler will read it, on the items that it was fitted on.

    Raises:
        DataLoss: it does not load back.
        NumericalError: a prediction is not finite, or worse than the mean reward.
    """
    x = observations.x[observations.item_of_value]
    prediction = load(blob).predict(prior, x)
    if not bool(torch.isfinite(prediction.mean).all() and torch.isfinite(prediction.std).all()):
        raise _refused("finite predictions of the training items", "NaN or infinity")
    y, mean, scale = standardise_rewards(observations.values)
    error = ((prediction.mean.double() - mean) / scale - y).square().mean()
    allowed = WORST_ERROR * float(y.square().mean()) + 1e-3
    if float(error) > allowed:
        raise _refused(f"a squared error of at most {allowed:.3g} in units of the variance", f"{error:.3g}")


def _refused(expected: str, found: str) -> NumericalError:
    return NumericalError("a surrogate was not published", field="surrogate", expected=expected, found=found)
