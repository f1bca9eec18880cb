"""Summaries of many runs at once are those of each."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.records.sampling import SamplingConfig
from sampler_service.run import Run, plan_run, start_run
from sampler_service.summaries import summaries_of
from tests.sampler_service.problems import three_modes, two_modes

PRIORS = (three_modes(), two_modes(5))


def _runs(sizes: Sequence[int]) -> list[Run]:
    """Runs of both priors in turn, with weights that differ."""
    runs = []
    for i, n in enumerate(sizes):
        run = start_run(plan_run(PRIORS[i % 2], None, SamplingConfig(), n), torch.device("cpu"), i)
        run.log_weights = 30.0 * torch.randn(n, generator=run.generator, dtype=torch.float64) - 500.0
        runs.append(run)
    return runs


@settings(max_examples=40)
@given(sizes=st.lists(st.integers(1, 40), min_size=1, max_size=9))
def test_many_runs_at_once_are_each_as_by_its_definition(sizes: list[int]) -> None:
    runs = _runs(sizes)

    for run, summary in zip(runs, summaries_of(runs), strict=True):
        weights = torch.softmax(run.log_weights, dim=0)
        assert summary.ess == pytest.approx(float(1.0 / (weights * weights).sum()))
        log_mean = float(torch.logsumexp(run.log_weights, 0)) - math.log(len(weights))
        assert summary.log_mean_weight == pytest.approx(log_mean)
        assert summary.finite == 1.0


@pytest.mark.parametrize("what", ["x", "log_weights", "last_reward"])
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_one_number_that_is_not_finite_is_found_in_its_own_run(what: str, bad: float) -> None:
    runs = _runs((4, 7, 3))
    runs[1].last_reward = torch.zeros(7, dtype=torch.float64)
    getattr(runs[1], what).view(-1)[5] = bad

    assert [summary.finite for summary in summaries_of(runs)] == [1.0, 0.0, 1.0]


def test_no_runs_have_no_summaries() -> None:
    assert summaries_of([]) == []
