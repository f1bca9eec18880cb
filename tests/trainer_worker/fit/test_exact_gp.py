"""In closed form, the process that `fit_gp` finds through the kernel's eigenfunctions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from apa.errors import InvalidArgument
from apa.surrogates import GpSurrogate
from apa.surrogates.coordinates import FeatureCoordinates
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import FeatureCache, Transport, fit, stacks, together
from trainer_worker.fit.gp import fit_gp
from trainer_worker.fit.together import Problem, encoded, fit_together, reads_features
from trainer_worker.fit.transport import fit_transport
from trainer_worker.observations import Observations

VECTORS = ToyPrior()
IMAGES = ToyPrior((1, 4, 4), feature_dim=6)


@pytest.fixture(scope="module")
def transport() -> Transport:
    return fit_transport(IMAGES, draw(IMAGES, 200), 0)


def _problems(prior: ToyPrior, counts: Sequence[int]) -> list[Problem]:
    problems = []
    for seed, count in enumerate(counts):
        x = draw(prior, count, seed)
        noise = torch.randn(count, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        rewards = 3.0 + 10.0 ** (seed % 3) * (x.flatten(1)[:, 0].sin() + 0.3 * noise)
        problems.append(Problem(Observations.scalar(x, rewards), seed))
    return problems


def _together(prior: ToyPrior, problems: list[Problem], transport: Transport | None) -> list[object]:
    cache = FeatureCache()
    if reads_features("gp", prior, transport):
        problems = encoded(prior, problems, cache, with_noise=False)
    return list(fit_together("gp", prior, problems, cache, transport))


def assert_same(prior: ToyPrior, found: object, expected: GpSurrogate) -> None:
    assert isinstance(found, GpSurrogate)
    assert found.bandwidth == pytest.approx(expected.bandwidth, rel=1e-6)
    assert found.reward_mean == pytest.approx(expected.reward_mean, rel=1e-12)
    assert found.reward_scale == pytest.approx(expected.reward_scale, rel=1e-12)
    assert found.weight_std == pytest.approx(expected.weight_std, rel=1e-5)
    assert (found.prior_hash, found.link) == (expected.prior_hash, expected.link)
    torch.testing.assert_close(found.items, expected.items)
    new = draw(prior, 40, seed=99)
    ours, theirs = found.joint(prior, new), expected.joint(prior, new)
    # `fit_gp` leaves out eigenfunctions below 1e-8 of the largest: of many items in three dimensions, most.
    torch.testing.assert_close(ours.mean, theirs.mean, rtol=1e-4, atol=5e-4)
    torch.testing.assert_close(ours.covariance, theirs.covariance, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("count", [1, 2, 8, 33, 80, 200])
def test_alone_it_is_what_the_eigenfunctions_give(transport: Transport, count: int) -> None:
    for prior, known in ((VECTORS, None), (IMAGES, transport)):
        (problem,) = _problems(prior, [count])
        found = fit("gp", prior, problem.observations, 0, transport=known)
        assert_same(prior, found, fit_gp(prior, problem.observations, 0, transport=known))


@pytest.mark.parametrize("counts", [[5, 5, 5], [1, 2, 3, 7, 8, 9, 20, 33, 80, 3], [300, 260, 1]])
def test_a_stack_gives_each_session_what_it_gets_alone(transport: Transport, counts: list[int]) -> None:
    for prior, known in ((VECTORS, None), (IMAGES, transport)):
        problems = _problems(prior, counts)
        for found, one in zip(_together(prior, problems, known), problems, strict=True):
            assert_same(prior, found, fit_gp(prior, one.observations, one.seed, transport=known))


def test_images_are_stacked_by_the_features_that_are_known(
    transport: Transport, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = encoded(IMAGES, _problems(IMAGES, [4, 6]), FeatureCache(), with_noise=False)
    monkeypatch.setattr(together, "encode_items", None)
    for found in fit_together("gp", IMAGES, known, FeatureCache(), transport):
        assert isinstance(found, GpSurrogate)
        assert isinstance(found.coordinates, FeatureCoordinates)


def test_more_users_than_are_held_at_once_are_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    problems = _problems(VECTORS, [7, 5, 6, 8, 5])
    whole = _together(VECTORS, problems, None)
    monkeypatch.setattr(stacks, "NUMBERS", 2 * 6 * 64)
    for found, one in zip(_together(VECTORS, problems, None), whole, strict=True):
        assert isinstance(one, GpSurrogate)
        assert_same(VECTORS, found, one)


def test_items_that_are_answered_often_or_not_at_all_or_are_copies() -> None:
    x = draw(VECTORS, 4)
    values = torch.tensor([1.0, 0.0, 2.0, 5.0, 1.5]).double()
    odd = [
        Observations(x, "scalar", ((2,), (0,), (2,), (1,), (2,)), values),
        Observations(x[:1], "scalar", ((0,), (0,), (0,)), values[:3]),
        Observations.scalar(x[:1].expand(3, -1), values[:3]),
        Observations.scalar(x[:3], torch.zeros(3)),
        Observations.scalar(x[:3], torch.full((3,), 7.0)),
        Observations.scalar(x[:3], torch.tensor([1e6, -1e6, 0.0])),
    ]
    problems = [Problem(observations, 0) for observations in odd]
    for found, one in zip(_together(VECTORS, problems, None), problems, strict=True):
        assert isinstance(found, GpSurrogate)
        expected = fit_gp(VECTORS, one.observations, 0)
        new = draw(VECTORS, 40, seed=99)
        torch.testing.assert_close(
            found.joint(VECTORS, new).mean, expected.joint(VECTORS, new).mean, rtol=1e-4, atol=1e-4
        )
        torch.testing.assert_close(
            found.joint(VECTORS, new).covariance,
            expected.joint(VECTORS, new).covariance,
            rtol=1e-3,
            atol=1e-4,
        )


def test_the_same_answers_give_the_same_artifact() -> None:
    problems = _problems(VECTORS, [9, 12])
    (first, _), (again, _) = _together(VECTORS, problems, None), _together(VECTORS, problems, None)
    assert isinstance(first, GpSurrogate)
    assert isinstance(again, GpSurrogate)
    assert first.to_bytes() == again.to_bytes()


def test_one_that_cannot_be_stacked_fails_alone_and_other_kinds_are_fitted_beside_the_stack() -> None:
    problems = _problems(VECTORS, [4, 6, 5])
    bad = problems[1].observations
    problems[1] = Problem(Observations(bad.x, bad.kind, ((7,), *bad.rows[1:]), bad.values), 0)
    likes = Observations(
        draw(VECTORS, 3), "binary", ((0,), (1,), (2,)), torch.tensor([1.0, 0.0, 1.0]).double()
    )
    problems.append(Problem(likes, 0))
    first, second, third, fourth = _together(VECTORS, problems, None)
    assert isinstance(second, InvalidArgument)
    assert_same(VECTORS, first, fit_gp(VECTORS, problems[0].observations, 0))
    assert_same(VECTORS, third, fit_gp(VECTORS, problems[2].observations, 2))
    assert_same(VECTORS, fourth, fit_gp(VECTORS, likes, 0))


def test_a_stack_that_fails_as_a_whole_costs_nobody_the_fit(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> object:
        raise RuntimeError("not positive definite")

    monkeypatch.setattr(together, "fit_exact_gps", broken)
    problems = _problems(VECTORS, [4, 6])
    for found, one in zip(_together(VECTORS, problems, None), problems, strict=True):
        assert_same(VECTORS, found, fit_gp(VECTORS, one.observations, one.seed))
    assert "their stack failed" in caplog.text
