"""Every resampling scheme: unbiased, within its own bounds, and never a particle of weight zero."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from apa.records.sampling import ResamplingName
from sampler_service.resampling import SCHEMES
from sampler_service.resampling.inverse_cdf import inverse_cdf

NUM_DRAWS = 4000
SIGMAS = 4.5
"""Two-sided error rate 7e-6 a comparison: with 32 comparisons, right schemes fail one run in 4,500."""

weight_lists = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40).filter(lambda w: sum(w) > 1e-3)


def _counts(scheme: str, weights: Tensor, generator: torch.Generator) -> Tensor:
    ancestors = SCHEMES[scheme](weights, generator)  # type: ignore[index]
    return torch.bincount(ancestors, minlength=len(weights)).double()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_particle_has_n_times_its_weight_descendants_on_average(scheme: str) -> None:
    weights = torch.tensor([0.02, 0.3, 0.0, 0.08, 0.25, 0.05, 0.2, 0.1], dtype=torch.float64)
    generator = torch.Generator().manual_seed(11)

    counts = torch.stack([_counts(scheme, weights, generator) for _ in range(NUM_DRAWS)])

    standard_error = counts.std(dim=0) / NUM_DRAWS**0.5
    excess = (counts.mean(dim=0) - len(weights) * weights).abs()
    assert (excess <= SIGMAS * standard_error + 1e-12).all()


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=50)
@given(raw=weight_lists, seed=st.integers(0, 2**32))
def test_n_ancestors_all_of_positive_weight(scheme: str, raw: list[float], seed: int) -> None:
    weights = torch.tensor(raw, dtype=torch.float64)
    weights = weights / weights.sum()

    ancestors = SCHEMES[scheme](weights, torch.Generator().manual_seed(seed))  # type: ignore[index]

    assert ancestors.shape == weights.shape
    assert (weights[ancestors] > 0).all()


@settings(max_examples=50)
@given(raw=weight_lists, seed=st.integers(0, 2**32))
def test_systematic_and_ssp_round_n_w_up_or_down_and_stratified_is_within_two(
    raw: list[float], seed: int
) -> None:
    weights = torch.tensor(raw, dtype=torch.float64)
    weights = weights / weights.sum()
    expected = len(weights) * weights
    generator = torch.Generator().manual_seed(seed)

    for rounding in ("systematic", "ssp"):
        assert ((_counts(rounding, weights, generator) - expected).abs() < 1.0 + 1e-9).all()
    assert ((_counts("stratified", weights, generator) - expected).abs() < 2.0 + 1e-9).all()


@pytest.mark.parametrize("scheme", ["systematic", "ssp"])
def test_equal_weights_keep_every_particle_once(scheme: ResamplingName) -> None:
    weights = torch.full((1000,), 1e-3, dtype=torch.float64)

    assert SCHEMES[scheme](weights, torch.Generator().manual_seed(3)).tolist() == list(range(1000))


def test_under_ssp_no_two_counts_rise_together_whereas_a_comb_ties_them() -> None:
    weights = torch.tensor([0.1, 0.15, 0.1, 0.15, 0.1, 0.15, 0.1, 0.15], dtype=torch.float64)
    generator = torch.Generator().manual_seed(5)
    off_diagonal = ~torch.eye(8, dtype=torch.bool)

    def highest_covariance(scheme: str) -> float:
        counts = torch.stack([_counts(scheme, weights, generator) for _ in range(NUM_DRAWS)])
        return float(torch.cov(counts.T)[off_diagonal].max())

    # The counts are 0, 1 or 2 with a variance below 0.25, so a covariance is known to 0.25 / sqrt(draws).
    noise = SIGMAS * 0.25 / NUM_DRAWS**0.5
    assert highest_covariance("ssp") < noise
    assert highest_covariance("systematic") > 3 * noise


def test_a_point_that_rounds_to_one_still_finds_the_last_particle_of_positive_weight() -> None:
    weights = torch.tensor([0.1] * 7 + [0.3, 0.0], dtype=torch.float64)

    assert inverse_cdf(weights, torch.tensor([0.0, 1.0], dtype=torch.float64)).tolist() == [0, 7]
