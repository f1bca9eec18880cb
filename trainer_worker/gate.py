"""What an artifact must pass before it steers anybody: it loads back, and predicts what it was fitted on, no
worse than the one that it is to replace.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from apa.errors import NumericalError
from apa.priors.base import Prior
from apa.surrogates import Prediction, Surrogate, load
from trainer_worker.fit.choices import Choices
from trainer_worker.fit.standardise import standardise_rewards
from trainer_worker.observations import Observations

WORST_ERROR = 1.05
"""Error on the training items over that of no fit: the mean of rewards or likes, chance where they order."""
SPARED_NATS = 4.0
"""Whoever only says no is described best by their rate, which no cautious prior reaches: that costs a process
2 to 3 nats. A fit that points the wrong way loses one with each answer."""
WORSE_BY = 0.1
"""What a refit may lose to the current surrogate on each answer: of the rewards' variance, or nats."""


class RefusedError(NumericalError):
    """An artifact that steers nobody. The same answers would give it again."""


@dataclass(frozen=True, eq=False)
class Rival:
    """The surrogate that steers now.

    Attributes:
        fresh: (A,), the answers that it has not learnt from.
    """

    surrogate: Surrogate
    fresh: Tensor


def check(
    blob: bytes,
    prior: Prior,
    observations: Observations,
    features: Tensor | None = None,
    rival: Rival | None = None,
) -> None:
    """Check an artifact, as the sampler will read it, on the items that it was fitted on.

    Args:
        features: (M, F), clean, of the items, where they are known and the family uses them.
        rival: what it is to replace; None for a first surrogate, or where that reads another prior.

    Raises:
        DataLoss: it does not load back.
        RefusedError: a prediction is not finite, or worse than none, or than the rival's.
    """
    prediction = _predicted(load(blob), prior, observations.x, features)
    if not bool(torch.isfinite(prediction.mean).all() and torch.isfinite(prediction.std).all()):
        raise _refused("finite predictions of the training items", "NaN or infinity")
    now = losses(prediction, observations)
    _check_no_worse_than_none(float(now.mean()), observations)
    if rival is not None:
        before = _predicted(rival.surrogate, prior, observations.x, features)
        check_no_worse(now, losses(before, observations), rival.fresh)


def losses(prediction: Prediction, observations: Observations) -> Tensor:
    """(A,), of each answer: its squared error in units of the rewards' variance, or its log loss."""
    if observations.kind == "scalar":
        y, mean, scale = standardise_rewards(observations.values)
        return ((prediction.mean[observations.item_of_value].double() - mean) / scale - y).square()
    choices = Choices.of(observations)
    answer = [place for place, rows in enumerate(observations.rows) for _ in rows[1:] or rows]
    loss = torch.zeros(len(observations), dtype=torch.float64)
    return loss.index_add(
        0, torch.tensor(answer), -choices.log_probabilities(_latents(prediction, observations))
    )


def check_no_worse(now: Tensor, before: Tensor, fresh: Tensor) -> None:
    """A refit is worse when it loses on all answers and also on those that are new to the rival.

    Each half alone errs: on the answers that it was fitted to the rival looks better than it is, and on a
    few new ones anything can win. See docs/decisions/0011-gate.md.
    """
    lost = float((now - before).mean())
    if lost > WORSE_BY and float((now - before)[fresh].sum()) >= 0.0:
        raise _refused(
            f"a loss of at most {WORSE_BY:g} more for each answer than the current one's", f"{lost:.3g}"
        )


def _predicted(surrogate: Surrogate, prior: Prior, x: Tensor, features: Tensor | None) -> Prediction:
    # Encoding every item once more would cost more than the refit.
    known = None if features is None else surrogate.predict_features(features.double())
    return surrogate.predict(prior, x) if known is None else known


def _check_no_worse_than_none(loss: float, observations: Observations) -> None:
    """By the mean loss; a few nats of all answers' log loss together are left to the prior of the fit."""
    if observations.kind == "scalar":
        allowed = WORST_ERROR * float(standardise_rewards(observations.values).y.square().mean()) + 1e-3
        expected = f"a squared error of at most {allowed:.3g} in units of the variance"
    else:
        count = len(observations)
        without = -float(Choices.of(observations).log_likelihood(_latents_of_no_fit(observations))) / count
        allowed = WORST_ERROR * without + SPARED_NATS / count
        expected = f"a log loss of at most {allowed:.3g} for each answer"
    if loss > allowed:
        raise _refused(expected, f"{loss:.3g}")


def _latents(prediction: Prediction, observations: Observations) -> Tensor:
    return prediction.mean.logit(eps=1e-9) if observations.kind == "binary" else prediction.mean


def _latents_of_no_fit(observations: Observations) -> Tensor:
    """(M,): the rate of likes with one more of each, chance for comparisons and rankings."""
    if observations.kind != "binary":
        return torch.zeros(len(observations.x), dtype=torch.float64)
    rate = (observations.values.sum() + 1.0) / (len(observations) + 2.0)
    return rate.logit().expand(len(observations.x))


def _refused(expected: str, found: str) -> RefusedError:
    return RefusedError("a surrogate was not published", field="surrogate", expected=expected, found=found)
