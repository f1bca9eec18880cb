"""Repulsion from what was shown: a changed target, met exactly by its weights."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors.base import Denoised
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.records.sampling import CorrectorName, SamplingConfig
from sampler_service.evaluation import Evaluation, Part, evaluate_all
from sampler_service.potential import (
    DenoisedRewardPotential,
    Potential,
    Repelled,
    RewardPotential,
    SurrogatePotential,
    as_potential,
    check_prior,
    median_width,
    repelled,
)
from simulation.closed_forms import LinearReward
from tests.apa.surrogates.toys import ToyPrior, random_surrogate
from tests.sampler_service.problems import run_many

# One dimension, modes at -1 and 1; what was shown lies about the mode that the reward likes.
PRIOR = GaussianMixturePrior(torch.tensor([[-1.0], [1.0]]), 0.15, torch.tensor([0.5, 0.5]))
REWARD = LinearReward(torch.tensor([0.5]))
SHOWN = torch.tensor([[0.8], [1.1], [1.3]])
STRENGTH, WIDTH, BETA = 1.5, 0.6, 1.5


def _quadrature(strength: float) -> tuple[float, float]:
    """(mass of x > 0, log Z) of q_0 exp(beta (r - strength mean_j k)), by the trapezoidal rule."""
    x = torch.linspace(-5.0, 5.0, 20_001, dtype=torch.float64)
    density = torch.zeros_like(x)
    for mean in (-1.0, 1.0):
        density += 0.5 * torch.exp(-0.5 * (x - mean) ** 2 / 0.15) / (2.0 * torch.pi * 0.15) ** 0.5
    kernel = torch.exp(-0.5 * (x[:, None] - SHOWN.double().flatten()) ** 2 / WIDTH**2).mean(dim=1)
    tilted = density * torch.exp(BETA * (0.5 * x - strength * kernel))
    z = torch.trapezoid(tilted, x)
    return float(torch.trapezoid(tilted * (x > 0), x) / z), float(z.log())


def _errors(potential: Potential, corrector: CorrectorName) -> tuple[float, float]:
    """How far pooled runs are from the repelled law: (mass of x > 0, log Z)."""
    config = SamplingConfig(num_steps=100, beta=BETA, corrector=corrector)
    populations = run_many(PRIOR, potential, config, 1000, 10)
    mass, log_z = _quadrature(STRENGTH)
    found = sum(float(p.weights @ (p.x[:, 0] > 0).double()) for p in populations) / 10
    return found - mass, sum(p.log_z or 0.0 for p in populations) / 10 - log_z


@pytest.mark.parametrize("corrector", ["fkc", "twisted"])
@pytest.mark.parametrize("base", [RewardPotential(REWARD), DenoisedRewardPotential(REWARD)])
def test_the_repelled_law_is_met_as_quadrature_has_it(base: Potential, corrector: CorrectorName) -> None:
    mass, log_z = _errors(Repelled(base, SHOWN, STRENGTH, WIDTH), corrector)

    # The pooled mass is known to about 0.5 / sqrt(10,000) = 0.005.
    assert abs(mass) <= 0.02
    assert abs(log_z) <= 0.05


def test_repulsion_takes_mass_from_beside_the_shown_and_its_wrong_sign_would_be_seen() -> None:
    assert _quadrature(0.0)[0] > 0.75
    assert _quadrature(STRENGTH)[0] < 0.5

    mass, log_z = _errors(Repelled(RewardPotential(REWARD), SHOWN, -STRENGTH, WIDTH), "fkc")

    assert abs(mass) > 0.2
    assert abs(log_z) > 0.5


@dataclass(frozen=True)
class _InTheDriftAlone:
    """The repelled gradient with the value of the plain reward: what must not be done."""

    repelled: Repelled
    depends_on_t: bool = True
    uses_denoiser: bool = True

    def value(self, x_t: Tensor, t: Tensor, denoised: Denoised) -> Tensor:
        pushed = self.repelled.value(x_t, t, denoised)
        return self.repelled.potential.value(x_t, t, denoised).detach() + pushed - pushed.detach()


def test_a_repulsion_in_the_drift_alone_is_undone_by_the_weights() -> None:
    pushed = Repelled(DenoisedRewardPotential(REWARD), SHOWN, STRENGTH, WIDTH)

    mass, _ = _errors(_InTheDriftAlone(pushed), "twisted")

    assert mass > 0.2


def test_a_repelled_run_shares_its_batch_with_stacked_heads_without_a_trace() -> None:
    prior, x = ToyPrior(), torch.randn(5, 3, generator=torch.Generator().manual_seed(1))
    heads = [SurrogatePotential(random_surrogate(seed)) for seed in range(3)]
    potentials: list[Potential] = [heads[0], Repelled(heads[1], x[:2], 2.0, 1.0), heads[2]]
    parts = [Part(x, 0.4, potential, wants_time_derivative=True) for potential in potentials]

    together = evaluate_all(prior, parts)

    assert prior.calls == 1
    for part, at in zip(parts, together, strict=True):
        (alone,) = evaluate_all(prior, [part])
        assert isinstance(at, Evaluation)
        assert isinstance(alone, Evaluation)
        for name in ("reward", "grad_x", "grad_t"):
            assert torch.allclose(getattr(at, name), getattr(alone, name), atol=1e-5), name
    t = torch.full((5,), 0.4)
    denoised = prior.denoise(x, t)
    away = (denoised.x_0_hat[:, None] - x[:2]).square().sum(dim=2)
    expected = heads[1].value(x, t, denoised) - 2.0 * torch.exp(-0.5 * away).mean(dim=1)
    assert isinstance(together[1], Evaluation)
    assert torch.allclose(together[1].reward, expected.detach().double(), atol=1e-5)


def test_a_repelled_surrogate_of_another_prior_is_refused_like_a_plain_one() -> None:
    surrogate = SurrogatePotential(random_surrogate(0, prior_hash="ffff"))

    with pytest.raises(FailedPrecondition, match="another"):
        check_prior(Repelled(surrogate, torch.ones(1, 3), 1.0, 1.0), ToyPrior())


def test_nothing_shown_or_no_strength_leaves_a_potential_as_it_was() -> None:
    base = RewardPotential(REWARD)
    moved = repelled(base, SHOWN, 1.0)

    assert isinstance(moved, Repelled)
    assert as_potential(moved) is moved
    assert moved.width == pytest.approx(0.3)
    assert repelled(base, SHOWN[:0], 1.0) is base
    assert repelled(base, SHOWN, 0.0) is base
    assert repelled(None, SHOWN, 1.0) is None


def test_a_width_without_a_distance_to_go_by_is_the_root_of_the_dimension() -> None:
    assert median_width(torch.zeros(1, 1, 3, 3)) == 3.0
    assert median_width(torch.ones(4, 9)) == 3.0


@pytest.mark.parametrize(
    ("strength", "width", "field"),
    [
        (-1.0, 1.0, "repulsion.strength"),
        (float("nan"), 1.0, "repulsion.strength"),
        (1.0, 0.0, "repulsion.width"),
        (1.0, float("inf"), "repulsion.width"),
    ],
)
def test_a_strength_or_width_out_of_range_is_refused_by_its_field(
    strength: float, width: float, field: str
) -> None:
    with pytest.raises(InvalidArgument) as caught:
        repelled(RewardPotential(REWARD), SHOWN, strength, width)

    assert caught.value.field == field
