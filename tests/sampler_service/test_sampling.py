"""The in-process call."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument
from apa.records.sampling import CorrectorName, RouteOption
from sampler_service import Population, SamplingConfig, sample
from tests.apa.surrogates.toys import ToyPrior, random_surrogate
from tests.sampler_service.problems import MILD, SLOPE, three_modes

PRIOR = three_modes()
SHORT = SamplingConfig(num_steps=10)


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_population_has_everything_it_promises() -> None:
    population = sample(PRIOR, MILD, SHORT, num_particles=50, generator=_generator(0))

    assert isinstance(population, Population)
    assert population.x.shape == (50, 2)
    assert population.x.dtype == torch.float32
    assert not population.x.requires_grad
    assert population.log_weights.shape == (50,)
    assert population.log_weights.dtype == torch.float64
    assert population.weights.sum().item() == pytest.approx(1.0)
    assert isinstance(population.log_z, float)
    assert isinstance(population.kl_to_prior, float)
    assert len(population.ess_history) == 10
    assert population.ancestors.shape == (50,)


def test_the_same_generator_or_seed_gives_the_same_population() -> None:
    first = sample(PRIOR, MILD, SHORT, num_particles=20, generator=_generator(4))
    second = sample(PRIOR, MILD, SHORT, num_particles=20, generator=_generator(4))
    again = sample(PRIOR, MILD, SHORT.model_copy(update={"seed": first.seed}), num_particles=20)

    assert torch.equal(first.x, second.x)
    assert torch.equal(first.x, again.x)
    assert again.log_z == first.log_z


def test_one_generator_gives_a_different_population_every_time() -> None:
    generator = _generator(4)
    first = sample(PRIOR, MILD, SHORT, num_particles=20, generator=generator)
    second = sample(PRIOR, MILD, SHORT, num_particles=20, generator=generator)

    assert not torch.equal(first.x, second.x)


def test_the_process_wide_random_state_is_left_alone() -> None:
    before = torch.get_rng_state()
    sample(PRIOR, MILD, SHORT, num_particles=20)

    assert torch.equal(torch.get_rng_state(), before)


def test_without_a_reward_it_is_the_prior_itself() -> None:
    config = SHORT.model_copy(update={"seed": 1})

    unsteered = sample(PRIOR, None, config, num_particles=20)
    none = sample(PRIOR, MILD, config.model_copy(update={"corrector": "none"}), num_particles=20)

    assert torch.equal(unsteered.x, none.x)
    assert unsteered.log_z is None
    assert unsteered.kl_to_prior is None


@pytest.mark.parametrize(
    "corrector", ["fkc", "twisted", "clipped", "clipped_without_drift", "guidance", "none"]
)
def test_a_learned_reward_and_data_with_more_than_one_axis_go_through_every_corrector(corrector: str) -> None:
    config = SamplingConfig.model_validate({"num_steps": 5, "corrector": corrector})
    prior = ToyPrior(data_shape=(1, 2, 3))

    population = sample(prior, random_surrogate(2), config, num_particles=8, generator=_generator(0))

    assert population.x.shape == (8, 1, 2, 3)


def test_single_particles_and_single_steps_are_runs_too() -> None:
    population = sample(PRIOR, SLOPE, SamplingConfig(num_steps=1), num_particles=1)

    assert population.ess_history == pytest.approx([1.0])


@pytest.mark.parametrize(
    ("options", "num_particles", "field"),
    [
        ({"corrector": "clipped", "integrator": "ancestral"}, 5, "sampling.integrator"),
        ({"t_start": 0.2, "t_end": 0.3}, 5, "sampling.t_start"),
        ({}, 0, "num_particles"),
    ],
)
def test_what_does_not_fit_together_is_refused_by_its_field(
    options: dict[str, object], num_particles: int, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        sample(PRIOR, MILD, SamplingConfig.model_validate(options), num_particles=num_particles)

    assert caught.value.field == field


def test_a_route_to_be_chosen_in_process_is_steering() -> None:
    steered, chosen = (
        sample(PRIOR, MILD, SHORT.model_copy(update={"route": route, "seed": 3}), num_particles=4)
        for route in ("steer", "auto")
    )
    assert torch.equal(steered.x, chosen.x)


@pytest.mark.parametrize("route", ["rank", "pool_start"])
def test_a_run_in_process_takes_no_route_that_needs_stored_draws(route: RouteOption) -> None:
    with pytest.raises(InvalidArgument) as caught:
        sample(PRIOR, MILD, SHORT.model_copy(update={"route": route}), num_particles=4)

    assert (caught.value.field, caught.value.found) == ("sampling.route", route)


@pytest.mark.parametrize(("corrector", "calls"), [("twisted", 11), ("guidance", 10), ("none", 10)])
def test_a_run_counts_what_it_asks_of_the_denoiser(corrector: CorrectorName, calls: int) -> None:
    integrator = "ancestral" if corrector == "twisted" else "euler_maruyama"
    config = SHORT.model_copy(update={"corrector": corrector, "integrator": integrator})

    assert sample(PRIOR, MILD, config, num_particles=20).denoiser_evaluations == 20 * calls


def test_a_surrogate_of_another_prior_is_refused() -> None:
    with pytest.raises(FailedPrecondition, match="another prior"):
        sample(ToyPrior(), random_surrogate(2, prior_hash="ffff"), SHORT, num_particles=4)


def test_importing_has_no_effect() -> None:
    program = (
        "import threading, torch; state = torch.get_rng_state(); import sampler_service;"
        "assert threading.active_count() == 1 and torch.equal(state, torch.get_rng_state());"
        "assert torch.get_default_dtype() == torch.float32 and torch.is_grad_enabled()"
    )

    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


def test_a_population_over_one_batch_is_the_same_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    config = SamplingConfig(num_steps=8, corrector="twisted", seed=3)
    whole = sample(three_modes(), MILD, config, num_particles=50)
    seen = []

    def reward(x: Tensor) -> Tensor:
        seen.append(len(x))
        return MILD(x)

    monkeypatch.setattr("sampler_service.sampling.batch_elements", lambda _device: 2 * 16)
    cut = sample(three_modes(), reward, config, num_particles=50)

    assert max(seen) == 16
    assert torch.allclose(cut.x, whole.x, atol=1e-5)
    assert torch.equal(cut.ancestors, whole.ancestors)
