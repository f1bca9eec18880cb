"""Tastes are as rare as wanted, the same each time, and their rewards between 0 and 1."""

from __future__ import annotations

import pytest
import torch

from benchmarks.alignment.tasks import task_of
from benchmarks.alignment.tasks.films import Films
from benchmarks.alignment.tasks.mixtures import MixtureTask


@pytest.mark.parametrize("name", ["four-optima", "mixture-64"])
@pytest.mark.parametrize("rarity", [1e-1, 1e-2])
def test_a_mixture_s_taste_is_as_rare_as_wanted_on_draws_it_has_not_seen(name: str, rarity: float) -> None:
    task = task_of(name)
    assert isinstance(task, MixtureTask)
    fresh = task.prior.mixture.sample(100_000, torch.Generator().manual_seed(9))

    taste = task.taste(3, rarity)
    rewards = taste.reward(fresh)

    assert float(rewards.min()) >= 0.0
    assert float(rewards.max()) <= 1.0
    # Standard error of a rate of 0.01 on 100,000 and on 200,000 draws together: 4%; four of them.
    assert float((rewards > 0.5).double().mean()) == pytest.approx(rarity, rel=0.16)
    assert taste.base_rate == pytest.approx(rarity, rel=0.02)
    assert set(taste.mode(fresh[:1000]).tolist()) <= set(range(taste.num_modes))


def test_a_taste_is_a_function_of_its_number() -> None:
    task = task_of("four-optima")
    x = torch.randn(50, 2, generator=torch.Generator().manual_seed(0))

    once, again, other = (task.taste(number, 1e-2).reward(x) for number in (5, 5, 6))

    assert torch.equal(once, again)
    assert not torch.allclose(once, other)


@pytest.mark.parametrize("name", ["four-optima", "mixture-64"])
def test_a_mixture_s_own_draws_are_valid_and_what_lies_far_away_is_not(name: str) -> None:
    task = task_of(name)
    assert isinstance(task, MixtureTask)
    draws = task.prior.mixture.sample(5000, torch.Generator().manual_seed(4))

    # The 1% quantile of 20,000 draws on 5,000 others: standard error 0.0016.
    assert float(task.valid(draws).mean()) == pytest.approx(0.99, abs=0.0064)
    assert not task.valid(draws[:100] + 50.0).any()


def test_a_film_s_taste_likes_about_as_many_films_as_wanted_and_its_best_ones_are_attainable() -> None:
    task = task_of("films")
    assert isinstance(task, Films)

    taste = task.taste(2, 1e-2)
    rewards = taste.reward(task.vectors)

    assert taste.base_rate == pytest.approx(float((rewards > 0.5).double().mean()))
    assert 1e-2 / 1.5 <= taste.base_rate <= 1e-2 * 1.5
    assert taste.attainable == pytest.approx(float(rewards.sort(descending=True).values[:80].mean()))


@pytest.mark.parametrize("name", ["fashion", "fashion-binary"])
def test_a_fashion_taste_is_as_rare_as_wanted_and_two_images_of_its_prior_can_be_judged(name: str) -> None:
    task = task_of(name)
    x = torch.randn(2, 1, 28, 28, generator=torch.Generator().manual_seed(0)).clamp(-1.0, 1.0)

    taste = task.taste(1, 1e-2)

    assert taste.base_rate == pytest.approx(1e-2, rel=0.02)
    assert 0.4 < taste.attainable <= 1.0
    assert ((taste.reward(x) >= 0.0) & (taste.reward(x) <= 1.0)).all()
    assert taste.mode(x).shape == (2,)
    assert not task.valid(x).any(), "noise is no item of the prior"
