from __future__ import annotations

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import LinearSurrogate, load
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker import gate
from trainer_worker.fit import fit
from trainer_worker.observations import Observations


def _fit(prior: ToyPrior, x: torch.Tensor, rewards: torch.Tensor, seed: int = 0) -> LinearSurrogate:
    surrogate = fit("linear", prior, Observations.scalar(x, rewards), seed)
    assert isinstance(surrogate, LinearSurrogate)
    return surrogate


def _taste(x: torch.Tensor) -> torch.Tensor:
    return 3.0 + 2.0 * torch.tanh(x[:, 0]) - x[:, 1]


def test_it_learns_a_taste_and_says_so_in_the_users_units() -> None:
    prior = ToyPrior()
    x, new = draw(prior, 60), draw(prior, 200, seed=1)
    prediction = _fit(prior, x, _taste(x)).predict(prior, new)
    error = (prediction.mean - _taste(new)).square().mean() / _taste(new).var()
    assert float(error) < 0.1
    assert bool((prediction.std > 0).all())


@pytest.mark.parametrize("offset", [1e6, -1e6])
def test_it_ranks_the_same_wherever_the_users_scale_lies(offset: float) -> None:
    prior = ToyPrior()
    x, new = draw(prior, 30), draw(prior, 50, seed=1)
    rewards = 1e-2 * _taste(x).double()
    near, far = _fit(prior, x, rewards), _fit(prior, x, offset + rewards)
    predicted = near.predict(prior, new).mean
    torch.testing.assert_close(far.predict(prior, new).mean - offset, predicted, rtol=1e-3, atol=1e-4)
    gate.check(far.to_bytes(), prior, Observations.scalar(x, offset + rewards))


def test_uncertainty_shrinks_where_answers_were_given() -> None:
    prior = ToyPrior()
    x = draw(prior, 30)
    far = 6.0 * draw(prior, 30, seed=2)
    surrogate = _fit(prior, x, _taste(x))
    assert float(surrogate.predict(prior, x).std.mean()) < float(surrogate.predict(prior, far).std.mean())


def test_heads_fade_with_the_noise() -> None:
    prior = ToyPrior()
    x = draw(prior, 80)
    surrogate = _fit(prior, x, _taste(x))
    generator = torch.Generator().manual_seed(4)
    spread = []
    for log_snr in (-6.0, 0.0, 6.0):
        t = prior.schedule.time_of_log_snr(torch.full((80,), log_snr))
        noise = torch.randn(x.shape, generator=generator)
        x_t = prior.schedule.scale(t)[:, None] * x + prior.schedule.std(t)[:, None] * noise
        spread.append(float(surrogate.value(x_t, t, prior.denoise(x_t, t)).std()))
    assert spread[0] < 0.4 * spread[2]
    assert spread[0] < spread[1] < spread[2]


@pytest.mark.parametrize("rewards", [[0.5], [0.2, 0.2, 0.2], [0.0, 0.0], [1.0, 0.0]])
def test_few_or_equal_answers_still_give_a_usable_surrogate(rewards: list[float]) -> None:
    prior = ToyPrior()
    x = draw(prior, len(rewards))
    surrogate = _fit(prior, x, torch.tensor(rewards))
    prediction = surrogate.predict(prior, draw(prior, 20, seed=3))
    assert bool(torch.isfinite(prediction.mean).all())
    assert bool((prediction.std > 0).all())
    if len(set(rewards)) == 1:
        torch.testing.assert_close(prediction.mean, torch.full((20,), rewards[0], dtype=torch.float64))


def test_the_same_answers_give_the_same_bytes() -> None:
    prior = ToyPrior()
    x = draw(prior, 10)
    first, again = _fit(prior, x, _taste(x)).to_bytes(), _fit(prior, x, _taste(x)).to_bytes()
    assert first == again
    assert load(first).prior_hash == prior.content_hash


@pytest.mark.parametrize(
    ("x", "rewards"),
    [
        (torch.zeros(0, 3), torch.zeros(0)),
        (torch.zeros(2, 4), torch.zeros(2)),
        (torch.zeros(3, 3), torch.zeros(2)),
        (torch.full((2, 3), float("inf")), torch.zeros(2)),
        (torch.zeros(2, 3), torch.tensor([0.0, float("nan")])),
    ],
)
def test_data_that_cannot_be_fitted_are_refused(x: torch.Tensor, rewards: torch.Tensor) -> None:
    with pytest.raises(InvalidArgument):
        fit("linear", ToyPrior(), Observations.scalar(x, rewards), 0)


def test_a_prior_without_features_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="features"):
        fit("linear", ToyPrior(feature_dim=0), Observations.scalar(torch.zeros(2, 3), torch.zeros(2)), 0)
