from __future__ import annotations

import math
from collections.abc import Callable
from statistics import fmean

import pytest
import torch
from torch import Tensor

from apa.records.session import RefitQuality
from apa.surrogates.linear import data_end_features
from tests.apa.surrogates.toys import ToyPrior
from trainer_worker.fit import fit
from trainer_worker.foreseen import Foreseen, foreseen
from trainer_worker.observations import Observations
from trainer_worker.quality import BEYOND_CHANCE, Gap, beta_factor, gap_of, pooled, refit_quality


def _found(*errors: float, std: float = 0.1) -> Foreseen:
    """Errors that do not hang together."""
    error = torch.tensor(errors, dtype=torch.float64)
    return Foreseen(
        error, std**2 * torch.eye(len(errors), dtype=torch.float64), torch.ones(len(errors)).double()
    )


def _quality(gap: float, error: float, answers: int = 8, factor: float = 1.0) -> RefitQuality:
    return RefitQuality(num_answers=answers, coverage=0.9, gap=gap, gap_error=error, beta_factor=factor)


def test_a_gap_beyond_chance_lowers_beta_at_once_and_one_within_does_not() -> None:
    assert beta_factor(Gap(1.0, 0.99 / BEYOND_CHANCE), 1.0) == pytest.approx(0.5)
    assert beta_factor(Gap(1.0, 1.01 / BEYOND_CHANCE), 1.0) == 1.0
    assert beta_factor(Gap(-3.0, 0.1), 1.0) == 1.0


def test_beta_recovers_by_half_of_the_way_at_each_refit() -> None:
    factors = [0.25]
    while factors[-1] < 1.0:
        factors.append(beta_factor(Gap(0.0, 0.3), factors[-1]))
    assert factors[:3] == pytest.approx([0.25, 0.5, math.sqrt(0.5)])
    assert len(factors) < 9


def test_a_gap_has_the_larger_of_two_errors() -> None:
    alike = Foreseen(torch.zeros(4).double(), 0.04 * torch.ones(4, 4).double(), torch.ones(4).double())
    assert gap_of(alike).error == pytest.approx(0.2)
    scattered = gap_of(_found(-2.0, 2.0, -2.0, 2.0, std=0.01))
    assert scattered.error == pytest.approx(math.sqrt(16.0 / 3.0 / 4.0))


def test_refits_after_single_answers_are_looked_at_together() -> None:
    single = [_quality(1.0, 0.8, answers=1) for _ in range(8)]
    together = pooled(single)
    assert together.mean == pytest.approx(1.0)
    assert together.error == pytest.approx(0.8 / math.sqrt(8))
    assert pooled([_quality(0.1, 0.2), *single]).mean == pytest.approx(0.1)
    before = [quality.model_copy(update={"num_answers": 1}) for quality in single[:4]]
    assert refit_quality(_found(1.0, std=0.5), before).beta_factor < 1.0
    assert refit_quality(_found(1.0, std=0.5), []).beta_factor == 1.0


def test_without_news_beta_stays_as_it_is() -> None:
    empty = Foreseen(torch.zeros(0).double(), torch.zeros(0, 0).double(), torch.zeros(0).double())
    assert refit_quality(empty, []) == RefitQuality()
    assert refit_quality(empty, [_quality(1.0, 0.1, factor=0.4)]) == RefitQuality(beta_factor=0.4)


def test_what_is_reported_is_of_the_new_answers_only() -> None:
    quality = refit_quality(_found(0.5, 0.7), [_quality(3.0, 0.1)])
    assert quality.num_answers == 2
    assert quality.gap == pytest.approx(0.6)
    assert quality.coverage == 1.0


PRIOR = ToyPrior((6,), feature_dim=12)


def _session(seed: int, taste: Callable[[Tensor], Tensor]) -> list[RefitQuality]:
    """Six rounds of eight answers; each shows what the last surrogate ranks highest. Oldest first.

    Args:
        taste: of a slope of the features, which is all that the surrogate can learn.
    """
    generator = torch.Generator().manual_seed(seed)
    items = torch.randn(400, 6, generator=generator)
    features = data_end_features(PRIOR, items, 6.0)
    weights = torch.randn(12, generator=generator) / math.sqrt(3)
    truth = taste(((features - features.mean(0)) / features.std(0)) @ weights)
    said = truth + 0.5 * torch.randn(400, generator=generator)
    shown = torch.randperm(400, generator=generator)[:8]
    qualities: list[RefitQuality] = []
    for _ in range(5):
        surrogate = fit("linear", PRIOR, Observations.scalar(items[shown], said[shown]), 0)
        joint = surrogate.joint(PRIOR, items)
        optimism = joint.mean + joint.covariance.diagonal().sqrt()
        best = optimism.index_fill(0, shown, -math.inf).topk(8).indices
        shown = torch.cat([shown, best])
        observations = Observations.scalar(items[shown], said[shown])
        unseen = torch.arange(len(shown)) >= len(shown) - 8
        found = foreseen(surrogate, surrogate.joint(PRIOR, observations.x), observations, unseen)
        qualities.insert(0, refit_quality(found, qualities))
    return qualities[::-1]


def test_a_calibrated_surrogate_keeps_its_beta_though_it_shows_what_it_rates_highest() -> None:
    """In at least 95% of sessions."""
    sessions = [_session(seed, lambda slope: slope) for seed in range(30)]
    lost = [any(quality.beta_factor < 1.0 for quality in session) for session in sessions]
    assert sum(lost) <= 1


def test_an_over_optimised_surrogate_steers_less_until_its_gap_has_closed() -> None:
    """The more the better is all that a slope can say; here it is true up to a point."""
    sessions = [_session(seed, lambda slope: -(slope - 0.5).abs()) for seed in range(30)]
    first, last = [session[0] for session in sessions], [session[-1] for session in sessions]
    assert fmean(quality.gap for quality in first) > 1.0
    assert fmean(quality.beta_factor for quality in first) < 0.8
    assert abs(fmean(quality.gap for quality in last)) < 0.5
    assert fmean(quality.beta_factor for quality in last) > 0.93
