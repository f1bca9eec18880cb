"""One evaluation for many runs: right values and gradients, checked rewards, isolated failures."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from apa.errors import ApaError, Internal, InvalidArgument, ResourceExhausted
from apa.priors.base import Denoised
from apa.priors.gaussian_mixture import GaussianMixturePrior
from sampler_service.evaluation import Evaluation, Part, evaluate, evaluate_all
from sampler_service.potential import (
    DenoisedRewardPotential,
    RewardPotential,
    SurrogatePotential,
    as_potential,
)
from tests.apa.surrogates.toys import ToyPrior, random_surrogate
from tests.sampler_service.problems import MILD, three_modes

X = torch.randn(6, 2, generator=torch.Generator().manual_seed(0))


def _ok(outcome: Evaluation | ApaError) -> Evaluation:
    assert isinstance(outcome, Evaluation)
    return outcome


def test_the_gradient_of_a_plain_reward_is_its_own_at_x() -> None:
    at = evaluate(three_modes(), RewardPotential(MILD), X, 0.4)

    assert torch.allclose(at.reward, MILD(X).double())
    assert at.grad_x is not None
    assert torch.allclose(at.grad_x, MILD.centre - X, atol=1e-6)
    assert at.grad_t is None
    assert not any(v.requires_grad for v in (at.x_t, at.x_0_hat, at.score, at.reward, at.grad_x))


def test_the_time_derivative_of_a_reward_on_the_denoised_estimate_matches_a_finite_difference() -> None:
    means = torch.tensor([[-1.5, 0.0], [1.5, 0.5]], dtype=torch.float64)
    prior = GaussianMixturePrior(means, 0.15, torch.tensor([0.5, 0.5]))
    potential, x, h = DenoisedRewardPotential(MILD), X.double(), 1e-6

    at = evaluate(prior, potential, x, 0.3)

    later = evaluate(prior, potential, x, 0.3 + h).reward
    earlier = evaluate(prior, potential, x, 0.3 - h).reward
    assert at.grad_t is not None
    assert torch.allclose(at.grad_t, (later - earlier) / (2 * h), rtol=1e-4, atol=1e-6)


def test_a_batch_gives_each_run_what_it_gets_alone() -> None:
    prior = three_modes()
    parts = [
        Part(X, 0.7, RewardPotential(MILD)),
        Part(X[:2] + 1.0, 0.2, DenoisedRewardPotential(MILD), wants_time_derivative=True),
        Part(X[:3], 0.05, None),
    ]

    together = [_ok(outcome) for outcome in evaluate_all(prior, parts)]

    for part, at in zip(parts, together, strict=True):
        alone = _ok(evaluate_all(prior, [part])[0])
        for name in ("x_t", "x_0_hat", "score", "reward", "grad_x", "grad_t"):
            ours, theirs = getattr(at, name), getattr(alone, name)
            assert (ours is None) == (theirs is None)
            assert ours is None or torch.allclose(ours, theirs, atol=1e-6), name


def test_a_learned_reward_is_steered_by_through_the_denoiser() -> None:
    prior = ToyPrior()
    surrogate = random_surrogate(3)
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))

    at = evaluate(prior, SurrogatePotential(surrogate), x, 0.5)

    with torch.no_grad():
        expected = surrogate.value(x, torch.full((5,), 0.5), prior.denoise(x, torch.full((5,), 0.5)))
    assert torch.allclose(at.reward, expected.double(), atol=1e-5)
    assert at.grad_x is not None
    assert at.grad_x.any()
    assert at.grad_t is not None


def test_a_time_derivative_that_nothing_has_is_zero_whoever_shares_the_batch() -> None:
    prior = ToyPrior()
    unread = Part(X.new_zeros(2, 3), 0.4, DenoisedRewardPotential(lambda x: x.sum(dim=1)), True)
    still = Part(X.new_ones(2, 3), 0.4, RewardPotential(lambda x: x.sum(dim=1)), True)

    alone, beside = evaluate_all(prior, [still])[0], evaluate_all(prior, [unread, still])[1]

    for at in (alone, beside):
        grad_t = _ok(at).grad_t
        assert grad_t is not None
        assert not grad_t.any()


def test_a_batch_makes_one_denoiser_call() -> None:
    prior = ToyPrior()
    surrogates = [random_surrogate(seed) for seed in range(4)]
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(1))

    evaluate_all(prior, [Part(x, 0.1 + 0.2 * i, SurrogatePotential(s)) for i, s in enumerate(surrogates)])

    assert prior.calls == 1


def test_linear_heads_of_many_users_stack_without_a_trace() -> None:
    prior = ToyPrior()
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    surrogates = [random_surrogate(0), random_surrogate(1), random_surrogate(2, num_levels=6)]
    parts = [
        Part(x[: 3 + i], 0.2 + 0.3 * i, SurrogatePotential(surrogate), wants_time_derivative=i == 1)
        for i, surrogate in enumerate(surrogates)
    ]
    parts.insert(1, Part(x, 0.5, RewardPotential(lambda x: x.sum(dim=1))))

    for part, outcome in zip(parts, evaluate_all(prior, parts), strict=True):
        at, alone = _ok(outcome), _ok(evaluate_all(prior, [part])[0])
        assert part.potential is not None
        t = torch.full((len(part.x_t),), part.t)
        by_itself = part.potential.value(part.x_t, t, prior.denoise(part.x_t, t))
        assert torch.allclose(at.reward, by_itself.double(), atol=1e-5)
        assert at.grad_x is not None
        assert alone.grad_x is not None
        assert torch.allclose(at.grad_x, alone.grad_x, atol=1e-5)
        assert (at.grad_t is None) == (not part.wants_time_derivative)


def _raises(x: Tensor) -> Tensor:
    raise RuntimeError("no such item")


REFUSED: dict[str, tuple[Callable[[Tensor], object], str]] = {
    "wrong shape": (lambda x: x, "wrong shape"),
    "a number": (lambda x: 3.0, "wrong shape"),
    "a step": (lambda x: (x[:, 0] > 0).float(), "differentiable"),
    "no gradient in x": (lambda x: torch.ones(len(x), requires_grad=True) * 2.0, "differentiable"),
    "an exception": (_raises, "no such item"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_reward_that_cannot_steer_is_refused_and_its_batch_mates_are_not(case: str) -> None:
    reward, message = REFUSED[case]
    parts = [Part(X, 0.5, RewardPotential(MILD)), Part(X, 0.5, RewardPotential(reward))]  # type: ignore[arg-type]

    good, bad = evaluate_all(three_modes(), parts)

    assert isinstance(bad, InvalidArgument)
    assert message in str(bad)
    assert torch.allclose(_ok(good).reward, MILD(X).double())


class _BrokenPrior(ToyPrior):
    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        raise RuntimeError("shape mismatch")


class _SmallDevice(ToyPrior):
    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        if len(x_t) > 10:
            raise torch.OutOfMemoryError
        return super().denoise(x_t, t)


def test_a_prior_that_fails_is_not_blamed_on_the_reward() -> None:
    (outcome,) = evaluate_all(_BrokenPrior(), [Part(torch.randn(4, 3), 0.5, None)])

    assert isinstance(outcome, Internal)


def test_a_batch_too_large_for_the_device_is_taken_apart() -> None:
    parts = [Part(torch.randn(n, 3), 0.5, None) for n in (6, 7, 12)]

    first, second, third = evaluate_all(_SmallDevice(), parts)

    assert isinstance(first, Evaluation)
    assert isinstance(second, Evaluation)
    assert isinstance(third, ResourceExhausted)


def test_what_the_caller_has_is_adapted() -> None:
    class Constant:
        depends_on_t = False
        uses_denoiser = False

        def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
            return x_t.sum(dim=1)

    constant = Constant()
    assert as_potential(None) is None
    assert as_potential(constant) is constant
    assert as_potential(MILD) == RewardPotential(MILD)
    assert as_potential(MILD, "twisted") == DenoisedRewardPotential(MILD)
    surrogate = random_surrogate(0)
    assert as_potential(surrogate) == SurrogatePotential(surrogate)
