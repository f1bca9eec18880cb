"""What is fitted together is what is fitted alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import LinearSurrogate
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import FeatureCache, Transport, fit, together
from trainer_worker.fit.stacked import fit_stacked
from trainer_worker.fit.standardise import standardise_rewards, standardise_stacked
from trainer_worker.fit.together import Problem, encoded, fit_together
from trainer_worker.fit.transport import fit_transport
from trainer_worker.observations import Observations


@pytest.fixture(scope="module")
def prior() -> ToyPrior:
    return ToyPrior()


@pytest.fixture(scope="module")
def transport(prior: ToyPrior) -> Transport:
    return fit_transport(prior, draw(prior, 200), 0)


def _rewards(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 3.0 + 10.0**seed * torch.randn(count, generator=generator, dtype=torch.float64)


def _problems(prior: ToyPrior, counts: list[int]) -> list[Problem]:
    return [
        Problem(Observations.scalar(draw(prior, count, seed), _rewards(count, seed % 3)), seed)
        for seed, count in enumerate(counts)
    ]


def _together(prior: ToyPrior, problems: list[Problem], transport: Transport | None) -> list[object]:
    cache = FeatureCache()
    known = encoded(prior, problems, cache, with_noise=transport is None)
    return list(fit_together("linear", prior, known, cache, transport))


def assert_same(found: object, alone: object) -> None:
    assert isinstance(found, LinearSurrogate)
    assert isinstance(alone, LinearSurrogate)
    for name in ("weights", "intercepts", "levels"):
        torch.testing.assert_close(getattr(found, name), getattr(alone, name), rtol=1e-4, atol=1e-5)
    assert found.reward_mean == pytest.approx(alone.reward_mean, rel=1e-12)
    assert found.reward_scale == pytest.approx(alone.reward_scale, rel=1e-12)
    assert (found.prior_hash, found.link) == (alone.prior_hash, alone.link)
    probe = torch.randn(20, alone.weights.shape[1], generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(
        found.posterior.covariance(probe), alone.posterior.covariance(probe), rtol=1e-3, atol=1e-5
    )


@pytest.mark.parametrize("counts", [[5, 5, 5], [1, 2, 3, 7, 8, 9, 20, 33, 80, 3], [300, 260, 1]])
def test_a_stack_gives_each_session_what_it_gets_alone(
    prior: ToyPrior, transport: Transport, counts: list[int]
) -> None:
    problems = _problems(prior, counts)
    for found, one in zip(_together(prior, problems, transport), problems, strict=True):
        assert_same(found, fit("linear", prior, one.observations, one.seed, transport=transport))


def test_answers_without_spread_and_items_answered_twice_are_stacked_too(
    prior: ToyPrior, transport: Transport
) -> None:
    x = draw(prior, 3)
    odd = [
        Observations.scalar(x, torch.zeros(3)),
        Observations.scalar(x, torch.full((3,), 7.0)),
        Observations.scalar(x[:1].expand(3, -1), torch.tensor([1.0, 2.0, 3.0])),
        Observations(x, "scalar", ((2,), (0,), (2,), (1,)), torch.tensor([1.0, 0.0, 2.0, 5.0]).double()),
    ]
    problems = [Problem(observations, 0) for observations in odd]
    for found, one in zip(_together(prior, problems, transport), problems, strict=True):
        assert_same(found, fit("linear", prior, one.observations, 0, transport=transport))


def test_the_stack_is_what_fits_where_it_can(
    prior: ToyPrior, transport: Transport, caplog: pytest.LogCaptureFixture
) -> None:
    problems = encoded(prior, _problems(prior, [4, 9]), FeatureCache(), with_noise=False)
    given = [(one.observations, one.features.clean) for one in problems if one.features is not None]
    alone = fit_stacked(prior, given, transport)
    for found, one in zip(_together(prior, problems, transport), alone, strict=True):
        assert isinstance(found, LinearSurrogate)
        assert found.to_bytes() == one.to_bytes()
    assert caplog.records == []


def test_a_prior_without_transport_is_fitted_one_by_one(prior: ToyPrior) -> None:
    problems = _problems(prior, [4, 9])
    for found, one in zip(_together(prior, problems, None), problems, strict=True):
        assert_same(found, fit("linear", prior, one.observations, one.seed))


@pytest.mark.parametrize("row", [7, 99, -1])
def test_one_that_cannot_be_stacked_fails_alone(prior: ToyPrior, transport: Transport, row: int) -> None:
    problems = _problems(prior, [4, 6, 5])
    bad = problems[1].observations
    problems[1] = replace(problems[1], observations=replace(bad, rows=((row,), *bad.rows[1:])))
    first, second, third = _together(prior, problems, transport)
    assert isinstance(second, InvalidArgument)
    for found, one in ((first, problems[0]), (third, problems[2])):
        assert_same(found, fit("linear", prior, one.observations, one.seed, transport=transport))


def test_a_stack_that_fails_as_a_whole_costs_nobody_the_fit(
    prior: ToyPrior, transport: Transport, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("eigh did not converge")

    monkeypatch.setattr(together, "fit_stacked", broken)
    problems = _problems(prior, [4, 6])
    for found, one in zip(_together(prior, problems, transport), problems, strict=True):
        assert_same(found, fit("linear", prior, one.observations, one.seed, transport=transport))
    assert "their stack failed" in caplog.text


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused_and_leaves_the_others(
    prior: ToyPrior, transport: Transport, bad: float
) -> None:
    problems = _problems(prior, [4, 6])
    values = problems[0].observations.values.clone()
    values[2] = bad
    problems[0] = replace(problems[0], observations=replace(problems[0].observations, values=values))
    first, second = _together(prior, problems, transport)
    assert isinstance(first, InvalidArgument)
    assert_same(second, fit("linear", prior, problems[1].observations, problems[1].seed, transport=transport))


def test_rewards_are_standardised_alike_whatever_their_scale() -> None:
    rows = [[0.0], [4.0], [2.0, 2.0], [1e6, 1e6 + 1e-9, 1e6], [1.0, -1.0, 5.0], [1e-9, 2e-9], [-1e6, 1e6]]
    rewards = torch.nn.utils.rnn.pad_sequence([torch.tensor(row).double() for row in rows], batch_first=True)
    present = torch.arange(3) < torch.tensor([len(row) for row in rows])[:, None]
    y, mean, scale = standardise_stacked(rewards, present)
    for place, row in enumerate(rows):
        alone = standardise_rewards(torch.tensor(row).double())
        torch.testing.assert_close(y[place, : len(row)], alone.y)
        assert not y[place, len(row) :].any()
        assert (float(mean[place]), float(scale[place])) == pytest.approx((alone.mean, alone.scale))
