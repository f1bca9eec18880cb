"""Steering on a part of the path only: the target stays exact, and nothing is evaluated outside."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from apa.errors import InvalidArgument
from apa.priors.base import Denoised
from apa.records.sampling import CorrectorName, SamplingConfig
from sampler_service import grids, sample
from sampler_service.correctors.fkc import Fkc
from sampler_service.correctors.twisted import Twisted
from sampler_service.evaluation import Evaluation
from sampler_service.potential import DenoisedRewardPotential, Potential, RewardPotential
from simulation.closed_forms import QuadraticReward
from tests.sampler_service.problems import MILD, measure, run_many, three_modes

PRIOR = three_modes()
INTERVAL = (0.3, 0.8)
EXACT: tuple[CorrectorName, ...] = ("fkc", "twisted")


def _config(corrector: CorrectorName, **options: object) -> SamplingConfig:
    return SamplingConfig.model_validate(
        {"num_steps": 100, "corrector": corrector, "active_interval": INTERVAL} | options
    )


@pytest.mark.parametrize("corrector", EXACT)
@pytest.mark.parametrize(
    ("potential", "beta"), [(RewardPotential(MILD), 0.5), (DenoisedRewardPotential(MILD), 1.0)]
)
def test_a_surrogate_that_is_left_at_t_min_meets_the_target_all_the_same(
    corrector: CorrectorName, potential: Potential, beta: float
) -> None:
    figures = measure(PRIOR, MILD, _config(corrector, beta=beta), potential=potential, num_seeds=20)

    assert figures.passes
    assert abs(figures.log_z_error) <= 0.03


@pytest.mark.parametrize("corrector", EXACT)
def test_particles_resampled_at_t_min_still_close_with_their_own_reward(corrector: CorrectorName) -> None:
    figures = measure(PRIOR, MILD, _config(corrector, ess_threshold=1.0))

    assert all(p.num_resamplings > 30 for p in figures.populations)
    assert figures.passes


class _Backwards:
    """A closing weight of the wrong sign."""

    def close(self, beta: float, at: Evaluation, left: Tensor, log_weights: Tensor) -> Tensor:
        return log_weights - beta * (at.reward - left)


class _Dropped:
    """No closing weight at all."""

    def close(self, beta: float, at: Evaluation, left: Tensor, log_weights: Tensor) -> Tensor:
        return log_weights


class _BackwardsFkc(_Backwards, Fkc): ...


class _BackwardsTwisted(_Backwards, Twisted): ...


class _DroppedFkc(_Dropped, Fkc): ...


class _DroppedTwisted(_Dropped, Twisted): ...


@pytest.mark.parametrize("wrong", [_BackwardsFkc, _BackwardsTwisted, _DroppedFkc, _DroppedTwisted])
def test_a_closing_weight_with_the_wrong_sign_or_none_trips_the_gate(wrong: type[Fkc | Twisted]) -> None:
    corrector: CorrectorName = "fkc" if issubclass(wrong, Fkc) else "twisted"

    assert not measure(PRIOR, MILD, _config(corrector), corrector=wrong()).passes


@dataclass
class _Counting:
    """A reward on the denoised estimate that notes when it is read, and when its gradient is."""

    values: list[float] = field(default_factory=list)
    gradients: list[float] = field(default_factory=list)
    depends_on_t: bool = True
    uses_denoiser: bool = True

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        at = round(t[0].item(), 6)
        self.values.append(at)
        r = MILD(denoised.x_0_hat)
        r.register_hook(lambda _: self.gradients.append(at))  # type: ignore[no-untyped-call]
        return r


@pytest.mark.parametrize(
    ("corrector", "arrives", "slopes_on_arrival"),
    [("fkc", True, True), ("twisted", True, False), ("guidance", False, False)],
)
def test_outside_the_interval_the_potential_is_neither_read_nor_differentiated(
    corrector: CorrectorName, arrives: bool, slopes_on_arrival: bool
) -> None:
    potential = _Counting()
    config = _config(corrector, num_steps=20)
    t = [round(step.t, 6) for step in grids.steps(PRIOR.schedule, config)]
    inside = [at for at in t if 0.3 + 1e-3 < at < 0.8 + 1e-3]
    t_min = t[t.index(inside[-1]) + 1]

    sample(PRIOR, potential, config, num_particles=4)

    assert len(inside) == 10
    assert potential.values == inside + ([t_min, config.t_end] if arrives else [])
    assert potential.gradients == inside + ([t_min] if slopes_on_arrival else [])


def test_guidance_outside_the_interval_is_the_prior_itself() -> None:
    far = QuadraticReward(torch.tensor([50.0, 50.0]))
    config = _config("guidance", active_interval=(0.95, 1.0), beta=1e-6)

    guided = run_many(PRIOR, far, config, 50, 1)[0]
    prior = run_many(PRIOR, None, config, 50, 1)[0]

    assert torch.allclose(guided.x, prior.x, atol=1e-3)


def test_the_ends_of_the_interval_are_moved_to_the_nearest_of_the_grid() -> None:
    path = grids.steps(PRIOR.schedule, _config("fkc", num_steps=9, t_end=0.1, beta=4.0))

    assert [round(step.t, 9) for step in path if step.steered] == [0.8, 0.7, 0.6, 0.5, 0.4]
    assert [step.beta for step in path] == pytest.approx([0, 0, 0, 0.8, 1.6, 2.4, 3.2, 4, 4])
    assert path[-1].beta_next == 4.0


def test_the_whole_path_as_an_interval_changes_nothing() -> None:
    config = _config("twisted", active_interval=(0.0, 1.0), num_steps=20, seed=3)

    whole = sample(PRIOR, MILD, config, num_particles=20)
    plain = sample(PRIOR, MILD, config.model_copy(update={"active_interval": None}), num_particles=20)

    assert torch.equal(whole.x, plain.x)
    assert whole.log_z == plain.log_z


@pytest.mark.parametrize(
    "options",
    [
        {"active_interval": (0.31, 0.32), "num_steps": 10},
        {"active_interval": (0.9, 1.0), "t_start": 0.5},
        {"corrector": "clipped"},
    ],
)
def test_an_interval_without_a_step_or_with_a_corrector_that_cannot_have_one_is_refused(
    options: dict[str, object],
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        sample(
            PRIOR,
            MILD,
            SamplingConfig.model_validate({"active_interval": INTERVAL} | options),
            num_particles=4,
        )

    assert caught.value.field == "sampling.active_interval"


@pytest.mark.parametrize("interval", [(0.5, 0.5), (0.6, 0.2), (-0.1, 0.5), (0.5, 1.1), (float("nan"), 1.0)])
def test_an_interval_that_is_none_is_no_config(interval: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="active_interval"):
        SamplingConfig(active_interval=interval)
