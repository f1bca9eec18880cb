"""What an artifact must pass before it steers anybody: it loads back, and predicts what it was fitted on."""

from __future__ import annotations

import torch
from torch import Tensor

from apa.errors import NumericalError
from apa.priors.base import Prior
from apa.surrogates import LinearSurrogate, Prediction, Surrogate, load
from trainer_worker.fit.choices import Choices
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations

WORST_ERROR = 1.05
"""Error on the training items over that of no fit: the mean of rewards or likes, chance where they order."""
SPARED_NATS = 4.0
"""Whoever only says no is described best by their rate, which no cautious prior reaches: that costs a process
2 to 3 nats. A fit that points the wrong way loses one with each answer."""


def check(blob: bytes, prior: Prior, observations: Observations, features: Tensor | None = None) -> None:
    """Check an artifact, as the sampler will read it, on the items that it was fitted on.

    Args:
        features: (M, F), clean, of the items, where they are known and the family uses them.

    Raises:
        DataLoss: it does not load back.
        NumericalError: a prediction is not finite, or worse than none.
    """
    prediction = _predicted(load(blob), prior, observations.x, features)
    if not bool(torch.isfinite(prediction.mean).all() and torch.isfinite(prediction.std).all()):
        raise _refused("finite predictions of the training items", "NaN or infinity")
    if observations.kind == "scalar":
        _check_squared_error(prediction, observations)
    else:
        _check_log_loss(prediction, observations)


def _predicted(surrogate: Surrogate, prior: Prior, x: Tensor, features: Tensor | None) -> Prediction:
    # Encoding every item once more would cost more than the refit.
    if features is not None and isinstance(surrogate, LinearSurrogate):
        return surrogate.predict_features(features)
    return surrogate.predict(prior, x)


def _check_squared_error(prediction: Prediction, observations: Observations) -> None:
    y, mean, scale = standardise_rewards(observations.values)
    predicted = (prediction.mean[observations.item_of_value].double() - mean) / scale
    error = float((predicted - y).square().mean())
    allowed = WORST_ERROR * float(y.square().mean()) + 1e-3
    if error > allowed:
        raise _refused(f"a squared error of at most {allowed:.3g} in units of the variance", f"{error:.3g}")


def _check_log_loss(prediction: Prediction, observations: Observations) -> None:
    """The mean over answers, with a few nats for all of them together left to the prior of the fit."""
    choices, count = Choices.of(observations), len(observations)
    loss = -float(choices.log_likelihood(_latents(prediction, observations))) / count
    without = -float(choices.log_likelihood(_latents_of_no_fit(observations))) / count
    allowed = WORST_ERROR * without + SPARED_NATS / count
    if loss > allowed:
        raise _refused(f"a log loss of at most {allowed:.3g} for each answer", f"{loss:.3g}")


def _latents(prediction: Prediction, observations: Observations) -> Tensor:
    return prediction.mean.logit(eps=1e-9) if observations.kind == "binary" else prediction.mean


def _latents_of_no_fit(observations: Observations) -> Tensor:
    """(M,): the rate of likes with one more of each, chance for comparisons and rankings."""
    if observations.kind != "binary":
        return torch.zeros(len(observations.x), dtype=torch.float64)
    rate = (observations.values.sum() + 1.0) / (len(observations) + 2.0)
    return rate.logit().expand(len(observations.x))


def _refused(expected: str, found: str) -> NumericalError:
    return NumericalError("a surrogate was not published", field="surrogate", expected=expected, found=found)
