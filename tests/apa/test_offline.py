"""Offline estimates: unbiased on a log whose truth is known, and honest about what they do not know."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.offline import (
    Estimate,
    Logged,
    doubly_robust,
    inverse_propensity,
    logged,
    read_logged,
    self_normalised,
)

Floats = NDArray[np.float64]

REWARDS = np.array([4.0, 3.0, 1.0, 0.0, 2.0])
"""Of the five items that every round chooses two from."""
PAIRS = [(0, 1), (0, 2), (1, 2), (2, 3), (3, 4), (0, 4)]
LOGGING = np.array([0.1, 0.1, 0.2, 0.2, 0.3, 0.1])
EVALUATED = np.array([0.4, 0.3, 0.2, 0.1, 0.0, 0.0])
"""Probabilities of these slates."""


def inclusion(of_pairs: Floats) -> Floats:
    found = np.zeros(5)
    for pair, probability in zip(PAIRS, of_pairs, strict=True):
        found[list(pair)] += probability
    return found


TRUTH = float(inclusion(EVALUATED) @ REWARDS) / 2


def a_log(slates: int, seed: int, noise: float = 1.0) -> tuple[Logged, NDArray[np.int64]]:
    """Logged slates with noisy rewards, and the item of each row."""
    rng = np.random.default_rng(seed)
    items = np.array(PAIRS)[rng.choice(len(PAIRS), slates, p=LOGGING)].reshape(-1)
    rewards = REWARDS[items] + noise * rng.normal(size=len(items))
    return Logged(rewards, inclusion(LOGGING)[items], np.repeat(np.arange(slates), 2)), items


def ips(log: Logged, items: NDArray[np.int64]) -> Estimate:
    return inverse_propensity(log, inclusion(EVALUATED)[items])


def snips(log: Logged, items: NDArray[np.int64]) -> Estimate:
    return self_normalised(log, inclusion(EVALUATED)[items])


def dr(log: Logged, items: NDArray[np.int64], model: Floats = REWARDS + 0.5) -> Estimate:
    value = np.full(len(items), inclusion(EVALUATED) @ model / 2)
    return doubly_robust(log, inclusion(EVALUATED)[items], model[items], value)


ALL = pytest.mark.parametrize("estimate", [ips, snips, dr])
Estimating = Callable[[Logged, NDArray[np.int64]], Estimate]


@ALL
def test_estimates_are_centred_on_the_truth_and_their_intervals_cover_it(estimate: Estimating) -> None:
    found = [estimate(*a_log(50, seed)) for seed in range(400)]
    values = np.array([one.value for one in found])
    # Four standard errors of the mean; what self-normalising is biased by, 1 / J, is below one of them.
    assert values.mean() == pytest.approx(TRUTH, abs=4 * values.std() / 20)
    covered = np.mean([one.low <= TRUTH <= one.high for one in found])
    # 400 repeats at 95%: standard error 0.011; skewed weights cost a little.
    assert 0.915 <= covered <= 0.985


def test_the_policy_itself_is_worth_the_mean_of_its_log() -> None:
    log, _ = a_log(60, 3)
    own = inverse_propensity(log, log.propensity)
    assert own.value == pytest.approx(log.reward.mean())
    assert own.effective_items == pytest.approx(120)
    assert self_normalised(log, log.propensity) == own
    by_slate = log.reward.reshape(60, 2).mean(axis=1)
    # Little is skewed here, and Student's quantile for 59 degrees of freedom is 2.0010.
    width = 2 * 2.0010 * by_slate.std(ddof=1) / np.sqrt(60)
    assert own.high - own.low == pytest.approx(width, rel=0.15)


def test_a_log_of_skewed_weights_has_a_longer_arm_where_the_rare_ones_are() -> None:
    """One slate in twenty shows what the other policy nearly always shows, and only that earns anything."""
    found = []
    for seed in range(300):
        rare = np.random.default_rng(seed).random(80) < 0.05
        log = Logged(rare.astype(float), np.where(rare, 0.05, 0.95), np.arange(80))
        found.append(inverse_propensity(log, np.where(rare, 0.9, 0.1)))
    covered = np.mean([one.low <= 0.9 <= one.high for one in found])
    longer = np.mean([one.high - one.value > one.value - one.low for one in found])
    # Student's intervals cover 0.92 of these.
    assert covered >= 0.93
    assert longer >= 0.8


def test_a_log_of_equal_rewards_leaves_no_doubt() -> None:
    log = Logged(np.full(40, 3.0), np.full(40, 0.5), np.repeat(np.arange(20), 2))
    found = self_normalised(log, np.full(40, 0.25))
    assert [found.low, found.value, found.high] == pytest.approx([3.0] * 3)


def test_a_good_model_narrows_the_interval_and_a_wrong_one_still_finds_the_truth() -> None:
    log, items = a_log(4000, 1, noise=0.1)
    good, wrong = dr(log, items), dr(log, items, -REWARDS)
    assert good.high - good.low < 0.5 * (ips(log, items).high - ips(log, items).low)
    assert wrong.low <= TRUTH <= wrong.high


def test_look_alike_items_of_a_slate_are_not_independent_evidence() -> None:
    slate = np.repeat(np.arange(40), 8)
    reward = np.random.default_rng(0).normal(size=40)[slate]
    together = inverse_propensity(Logged(reward, np.ones(320), slate), np.ones(320))
    apart = inverse_propensity(Logged(reward, np.ones(320), np.arange(320)), np.ones(320))
    assert together.num_slates == 40
    assert together.high - together.low > 2.5 * (apart.high - apart.low)


@pytest.mark.parametrize(("degrees", "quantile"), [(4, 2.776), (8, 2.306)])
def test_few_slates_get_students_quantile(degrees: int, quantile: float) -> None:
    reward = np.arange(degrees + 1.0)
    log = Logged(reward, np.ones_like(reward), np.arange(len(reward)))
    found = inverse_propensity(log, np.ones_like(reward))
    error = reward.std(ddof=1) / np.sqrt(len(reward))
    assert (found.high - found.value) / error == pytest.approx(quantile, rel=0.003)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"propensity": np.array([0.5, 0.0, 0.5, 1.0])}, "propensity"),
        ({"propensity": np.array([0.5, 1.1, 0.5, 1.0])}, "propensity"),
        ({"reward": np.array([0.5, np.nan, 0.5, 1.0])}, "reward"),
        ({"evaluated": np.array([0.5, -0.1, 0.5, 1.0])}, "evaluated"),
        ({"evaluated": np.ones(3)}, "evaluated"),
        ({"slate": np.zeros(4, np.int64)}, "slate"),
        ({"evaluated": np.zeros(4)}, "evaluated"),
    ],
)
def test_what_cannot_be_is_refused_by_name(changed: dict[str, Any], field: str) -> None:
    given: dict[str, Any] = {
        "reward": np.ones(4),
        "propensity": np.full(4, 0.5),
        "slate": np.array([0, 0, 1, 1]),
        "evaluated": np.full(4, 0.25),
    }
    given |= changed
    evaluated = given.pop("evaluated")
    with pytest.raises(InvalidArgument) as found:
        self_normalised(Logged(**given), evaluated)
    assert found.value.field == field


def session(rounds: list[int], reward: float) -> dict[str, Any]:
    count = len(rounds)
    return {
        "n_rounds": count,
        "context": np.array(rounds, np.float64)[:, None],
        "reward": np.full(count, reward),
        "pscore": np.full(count, 0.5),
    }


def test_exported_sessions_are_read_as_slates_of_their_rounds(tmp_path: Path) -> None:
    one, other = session([0, 0, 1], 1.0), session([0, 2, 2], 3.0)
    np.savez(tmp_path / "one.npz", **one)
    np.savez(tmp_path / "other.npz", **other)

    log = read_logged(tmp_path / "one.npz", tmp_path / "other.npz")

    assert log.slate.tolist() == [0, 0, 1, 2, 3, 3]
    assert log.reward.tolist() == [1.0] * 3 + [3.0] * 3
    assert inverse_propensity(log, log.propensity).value == 2.0


def test_a_session_without_answers_adds_nothing() -> None:
    log = logged(session([], 0.0), session([4, 5], 1.0))
    assert (len(log), log.slate.tolist()) == (2, [0, 1])


def test_a_file_of_something_else_is_refused_by_what_it_lacks() -> None:
    with pytest.raises(InvalidArgument) as found:
        logged({"reward": np.ones(2), "context": np.ones((2, 1))})
    assert found.value.field == "pscore"
