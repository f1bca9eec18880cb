"""What another policy would have earned, estimated from logged slates and their propensities.

    v = mean over shown items of (e / p) r

where an item was shown with the propensity p and the other policy would have shown it with the probability
e, both of being in the slate given the run's population. That is unbiased where p > 0 wherever e > 0, every
shown item has its reward, and a reward does not depend on what else is in the slate.

The estimators are those of the Open Bandit Pipeline (Saito et al. 2021, arXiv 2008.07146), on the arrays that
it reads. Not its code: its intervals take the items of one slate as independent, and its last release, of
2022, needs an older Python.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from apa.errors import InvalidArgument

Floats = NDArray[np.float64]

RESAMPLES = 1000
FEW_SLATES = 10
"""Below it, too few differ for a bootstrap."""

_MAX_ELEMENTS = 2**22
"""Numbers held at once."""
_Z = 1.959963984540054
"""The 97.5% quantile of a normal."""


@dataclass(frozen=True, eq=False)
class Logged:
    """n shown items with a reward, of J slates.

    Attributes:
        reward: (n,).
        propensity: (n,), in (0, 1].
        slate: (n,), a number for each slate, the same for its items.
    """

    reward: Floats
    propensity: Floats
    slate: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.reward)


@dataclass(frozen=True)
class Estimate:
    """Mean reward of an item that the policy would have shown.

    Attributes:
        low, high: its 95% interval.
        num_slates: J, independent units.
        effective_items: (sum w)^2 / sum w^2, how many items of its own slates the logged ones are worth.
    """

    value: float
    low: float
    high: float
    num_slates: int
    effective_items: float


def read_logged(*paths: Path) -> Logged:
    """The `bandit.npz` of one or more exported sessions.

    Raises:
        InvalidArgument: a file lacks an array, or its values cannot be.
    """
    files = []
    for path in paths:
        with np.load(path, allow_pickle=False) as file:
            files.append({name: file[name] for name in file.files})
    return logged(*files)


def logged(*sessions: Mapping[str, Any]) -> Logged:
    """Sessions as bandit feedback; rows of one session with the same context, its round, are a slate."""
    rewards, propensities, slates, before = [], [], [], 0
    for session in sessions:
        reward, propensity, context = (_array(session, name) for name in ("reward", "pscore", "context"))
        _, slate = np.unique(
            context.reshape(len(context), -1 if context.size else 0), axis=0, return_inverse=True
        )
        rewards.append(reward)
        propensities.append(propensity)
        slates.append(slate.reshape(-1) + before)
        before += int(slate.max(initial=-1)) + 1
    return Logged(_joined(rewards), _joined(propensities), _joined(slates).astype(np.int64))


def inverse_propensity(log: Logged, evaluated: ArrayLike) -> Estimate:
    """Unbiased; wide where the policies differ much.

    Args:
        evaluated: (n,), e of each logged item: the probability that the other policy would have shown it.

    Raises:
        InvalidArgument: fewer than two slates, or values that cannot be.
    """
    w = _weights(log, evaluated)
    return _ratio(log, w * log.reward, np.ones_like(w), w)


def self_normalised(log: Logged, evaluated: ArrayLike) -> Estimate:
    """Divided by the weights' sum in place of their number: stays among the rewards, biased in 1 / J.

    Args, Raises: as `inverse_propensity`.
    """
    w = _weights(log, evaluated)
    if not w.any():
        raise InvalidArgument(
            "the policy would have shown nothing of what was logged",
            field="evaluated",
            expected="a positive probability",
            found="0 everywhere",
        )
    return _ratio(log, w * log.reward, w, w)


def doubly_robust(
    log: Logged, evaluated: ArrayLike, predicted: ArrayLike, predicted_value: ArrayLike
) -> Estimate:
    """What a model expects of the policy, corrected by its weighted errors on what was shown.

    Unbiased whatever the model, as long as it was not fitted on these rewards; narrower than the others where
    it is good, and wider where it is not.

    Args:
        evaluated: (n,), as of `inverse_propensity`.
        predicted: (n,), the model's reward of each logged item.
        predicted_value: (n,), what the model expects of an item that the policy would have shown there: the
            sum of e times its rewards over the population, by the slate's size.

    Raises:
        InvalidArgument: as `inverse_propensity`.
    """
    w = _weights(log, evaluated)
    model = _checked("predicted", predicted, len(log))
    expected = _checked("predicted_value", predicted_value, len(log))
    return _ratio(log, expected + w * (log.reward - model), np.ones_like(w), w)


def _weights(log: Logged, evaluated: ArrayLike) -> Floats:
    _checked("reward", log.reward, len(log))
    p = _checked("propensity", log.propensity, len(log))
    e = _checked("evaluated", evaluated, len(log))
    for name, values, fits in (
        ("propensity", p, (p > 0.0) & (p <= 1.0)),
        ("evaluated", e, (e >= 0.0) & (e <= 1.0 + 1e-9)),
    ):
        if not fits.all():
            found = str(values[~fits][0])
            raise InvalidArgument("no such probability", field=name, expected="0 to 1", found=found)
    return e / p


def _ratio(log: Logged, numerator: Floats, denominator: Floats, w: Floats) -> Estimate:
    """Sum over sum of the slates, with the interval of their spread about it."""
    _, slate = np.unique(log.slate, return_inverse=True)
    count = int(slate.max(initial=-1)) + 1
    if count < 2:
        raise InvalidArgument(
            "an interval needs several slates", field="slate", expected="2 or more", found=str(count)
        )
    above, below = (np.bincount(slate, of_items).astype(np.float64) for of_items in (numerator, denominator))
    value = float(above.sum() / below.sum())
    residual = above - value * below
    error = float(np.sqrt(count / (count - 1) * np.square(residual).sum()) / below.sum())
    least, most = _student(count) if count < FEW_SLATES else _studentised(residual, below)
    effective = float(w.sum() ** 2 / max(np.square(w).sum(), np.finfo(np.float64).tiny))
    return Estimate(value, value - most * error, value - least * error, count, effective)


def _studentised(residual: Floats, below: Floats) -> tuple[float, float]:
    """The 2.5% and 97.5% quantiles of an estimate's error in its standard errors, by the bootstrap.

    Inverse propensities are skewed, which Student's quantiles do not know: resampled slates do (Efron 1979;
    Hall 1992, The Bootstrap and Edgeworth Expansion). The same log always gives the same.

    Args:
        residual, below: (J,), numerator less value times denominator, and denominator, of each slate.
    """
    rng, count = np.random.default_rng(0), len(residual)
    powers = np.stack([residual, below, residual**2, residual * below, below**2], axis=1)
    rows = max(1, _MAX_ELEMENTS // powers.size)
    sums = np.concatenate(
        [
            powers[rng.integers(count, size=(min(rows, RESAMPLES - done), count))].sum(axis=1)
            for done in range(0, RESAMPLES, rows)
        ]
    )
    # Those that drew no weight, or one slate only, have no error to be compared with.
    u, b, uu, ub, bb = sums[sums[:, 1] > 0.0].T
    off = u / b
    error = np.sqrt(np.maximum(uu - 2 * off * ub + off**2 * bb, 0.0)) / b
    told = error > 1e-9 * float(np.sqrt(np.square(residual).sum()) / below.sum())
    if not told.any():
        return _student(count)
    # Of J - 1 degrees of freedom, as the estimate's own.
    scale = np.sqrt(1.0 - 1.0 / count)
    low, high = np.quantile(scale * off[told] / error[told], [0.025, 0.975])
    return float(low), float(high)


def _student(count: int) -> tuple[float, float]:
    """The same for normal errors of `count` slates, by the series in 1 / (count - 1).

    Abramowitz and Stegun, 26.7.5.
    """
    z, degrees = _Z, count - 1
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    quantile = z + math.fsum(term / degrees**power for power, term in enumerate(terms, start=1))
    return -quantile, quantile


def _checked(name: str, values: ArrayLike, count: int) -> Floats:
    array = np.asarray(values, np.float64)
    if array.shape != (count,):
        raise InvalidArgument(
            "one number for each logged item", field=name, expected=f"({count},)", found=str(array.shape)
        )
    if not np.isfinite(array).all():
        raise InvalidArgument(
            "a number is not finite", field=name, expected="finite", found="NaN or infinity"
        )
    return array


def _array(session: Mapping[str, Any], name: str) -> Floats:
    if name not in session:
        raise InvalidArgument("no bandit feedback", field=name, expected="an array", found="nothing")
    return np.asarray(session[name], np.float64)


def _joined(parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
    return np.concatenate(parts) if parts else np.empty(0)
