"""The benchmark of offline estimates: its rounds are what they say, and a wrong propensity is found out."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmarks.alignment import offline
from benchmarks.alignment.film_rounds import K, N, Round, film_rounds
from sampler_service.selection import GumbelTopK


@pytest.fixture(scope="module")
def rounds() -> list[Round]:
    policies = {name: offline.POLICIES[name] for name in ("gumbel_top_k", "ucb", "epsilon_greedy")}
    return film_rounds(1, policies, torch.Generator().manual_seed(3))


def test_a_session_gives_rounds_with_rewards_and_inclusion_of_each_policy(rounds: list[Round]) -> None:
    assert len(rounds) == 9
    for one in rounds:
        assert len(one.candidates) == len(one.rewards) == N
        assert [float(p.sum()) for p in one.inclusion.values()] == pytest.approx([K] * 3)
        assert one.worth("ucb") == pytest.approx(np.mean(one.rewards[one.inclusion["ucb"] == 1.0]))


def test_estimates_of_the_benchmark_cover_and_those_of_a_wrong_propensity_do_not(
    rounds: list[Round], monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = torch.Generator().manual_seed(1)
    # Enough slates that a wrong weight shows beside the noise.
    monkeypatch.setattr(offline, "SLATES", 160)
    right = offline.coverage(rounds, "gumbel_top_k", "ucb", 60, drawing)
    # What it logs is far hotter than what its propensities are of.
    monkeypatch.setitem(offline.POLICIES, "gumbel_top_k", GumbelTopK(20.0))
    wrong = offline.coverage(rounds, "gumbel_top_k", "ucb", 60, drawing)

    assert [row.repeats for row in right] == [60] * 3
    assert min(row.value for row in right) >= 0.85
    assert wrong[0].value < 0.6
    assert all(row.low <= row.value <= row.high for row in right)
