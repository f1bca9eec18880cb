"""Somebody else's sampler: what it is given, that its seed is obeyed, and what it may not hand back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from apa.errors import ApaError, InvalidArgument, NotFound, NumericalError
from apa.records.sampling import SamplingConfig
from sampler_service.population import Population
from sampler_service.potential import DenoisedRewardPotential
from sampler_service.routes import Sampler, Target, draw_by, draw_pool, handed_back, register, take
from simulation.closed_forms import tilted
from tests.sampler_service.problems import MILD, three_modes

PRIOR = three_modes()
CONFIG = SamplingConfig(num_steps=10, beta=1.0, corrector="twisted", integrator="ancestral", t_start=0.999)


def weighted_draws(target: Target, num_particles: int, generator: torch.Generator) -> Population:
    """Exact draws of the mixture, each with its weight: importance sampling."""
    x = PRIOR.sample(num_particles, generator)
    log_weights = target.beta * target.evaluate(x, target.config.t_end).reward
    log_z = float(torch.logsumexp(log_weights, dim=0)) - torch.tensor(num_particles).log().item()
    return handed_back(x, log_weights, log_z)


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> Callable[[Sampler], str]:
    """Registers a sampler for the length of a test."""
    monkeypatch.setattr("sampler_service.routes.registered._registered", {})

    def registered(sampler: Sampler) -> str:
        register("theirs", sampler)
        return "theirs"

    return registered


def test_a_registered_sampler_is_a_route_to_the_target(known: Callable[[Sampler], str]) -> None:
    """0.05 is five standard errors of 20,000 draws."""
    pool = draw_pool(PRIOR, 64, CONFIG)

    config = CONFIG.model_copy(update={"seed": 3})
    taken = take(PRIOR, MILD, config, pool, num_particles=20_000, route=known(weighted_draws))

    assert taken.choice.name == "theirs"
    assert taken.population.seed == 3
    assert taken.population.log_z == pytest.approx(tilted(PRIOR, MILD, 1.0).log_z, abs=0.05)


def test_it_is_given_the_stored_draws_and_what_they_tell(known: Callable[[Sampler], str]) -> None:
    pool = draw_pool(PRIOR, 64, CONFIG)
    given: list[Target] = []

    def looks(target: Target, num_particles: int, generator: torch.Generator) -> Population:
        given.append(target)
        return handed_back(PRIOR.sample(num_particles, generator))

    taken = take(PRIOR, MILD, CONFIG, pool, num_particles=8, route=known(looks))

    (target,) = given
    assert target.pool is pool
    assert target.outlook is taken.outlook
    assert target.beta == CONFIG.beta
    assert (taken.population.log_z, taken.population.kl_to_prior) == (None, None)


def test_the_same_seed_gives_the_same_particles_again() -> None:
    target = _target()
    first, again, other = (draw_by(weighted_draws, target, 8, seed) for seed in (1, 1, 2))

    assert torch.equal(first.x, again.x)
    assert not torch.equal(first.x, other.x)


@pytest.mark.parametrize("route", ["nobodys", "auto", "Their-s"])
def test_a_route_that_nobody_has_is_refused(known: Callable[[Sampler], str], route: str) -> None:
    known(weighted_draws)

    with pytest.raises((NotFound, InvalidArgument), match="sampler") as caught:
        take(PRIOR, MILD, CONFIG, draw_pool(PRIOR, 64, CONFIG), num_particles=8, route=route)

    assert caught.value.field == "sampler"


def test_the_gradient_that_it_asks_for_is_the_rewards() -> None:
    target, x = _target(), torch.zeros(3, 2)

    at = target.evaluate(x, CONFIG.t_end, gradient=True)

    assert at.grad_x is not None
    moved = target.evaluate(x + torch.tensor([1e-3, 0.0]), CONFIG.t_end)
    assert (moved.reward - at.reward).numpy() == pytest.approx(1e-3 * at.grad_x[:, 0].numpy(), rel=0.05)
    assert moved.grad_x is None


GOOD = handed_back(torch.zeros(8, 2))


@pytest.mark.parametrize(
    ("found", "error", "says"),
    [
        (None, InvalidArgument, "no population"),
        (handed_back(torch.zeros(7, 2)), InvalidArgument, r"x .*\(8, 2\).*\(7, 2\)"),
        (handed_back(torch.zeros(8, 2).double()), InvalidArgument, "float64"),
        (replace(GOOD, log_weights=torch.zeros(8)), InvalidArgument, "log_weights.*float32"),
        (replace(GOOD, log_weights=torch.zeros(7).double()), InvalidArgument, "log_weights"),
        (replace(GOOD, ancestors=torch.zeros(8)), InvalidArgument, "ancestors"),
        (handed_back(torch.full((8, 2), torch.nan)), NumericalError, "particles"),
        (handed_back(torch.zeros(8, 2), torch.full((8,), -torch.inf)), NumericalError, "log_weights"),
        (handed_back(torch.zeros(8, 2), torch.full((8,), torch.nan)), NumericalError, "log_weights"),
        (handed_back(torch.zeros(8, 2), torch.full((8,), torch.inf)), NumericalError, "log_weights"),
        (handed_back(torch.zeros(8, 2), log_z=float("nan")), NumericalError, "log_z"),
    ],
)
def test_what_does_not_fit_is_an_error_that_says_what(
    found: Population, error: type[ApaError], says: str
) -> None:
    with pytest.raises(error, match=says) as caught:
        draw_by(lambda target, num_particles, generator: found, _target(), 8, 0)

    assert caught.value.field == "sampler"


def test_particles_without_any_weight_are_fine_beside_others() -> None:
    weights = torch.tensor([0.0] + 7 * [-torch.inf])

    population = draw_by(lambda *_: handed_back(torch.zeros(8, 2), weights), _target(), 8, 0)

    assert population.weights.tolist() == [1.0] + 7 * [0.0]


def test_what_it_raises_is_told_as_its_own_fault_and_typed_errors_stay() -> None:
    def breaks(target: Target, num_particles: int, generator: torch.Generator) -> Population:
        raise ZeroDivisionError("of theirs")

    def fails(target: Target, num_particles: int, generator: torch.Generator) -> Population:
        raise NumericalError("theirs")

    with pytest.raises(InvalidArgument, match="ZeroDivisionError: of theirs"):
        draw_by(breaks, _target(), 8, 0)
    with pytest.raises(NumericalError, match="theirs"):
        draw_by(fails, _target(), 8, 0)


def test_what_is_handed_back_without_weights_has_equal_ones() -> None:
    x = torch.zeros(4, 2, requires_grad=True)

    population = handed_back(x, ancestors=torch.tensor([0, 0, 2, 2]))

    assert population.weights.tolist() == [0.25] * 4
    assert population.unique_ancestors == 2
    assert not population.x.requires_grad


def _target() -> Target:
    return Target(PRIOR, DenoisedRewardPotential(MILD), CONFIG)
