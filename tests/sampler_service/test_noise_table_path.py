"""A network trained on another library's levels is sampled and tilted as its closed form says."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import Tensor, nn

from apa.priors.diffusers_prior import DiffusersModel, DiffusersPrior, OutputReading, PredictionType
from apa.priors.gaussian_mixture import GaussianMixturePrior
from apa.priors.noise_table import NoiseTable
from apa.records.prior_card import PriorCard
from apa.records.sampling import CorrectorName, IntegratorName, SamplingConfig
from sampler_service import sample

MEAN, VARIANCE, BETA = 0.6, 0.25, 1.5


class ExactNetwork(nn.Module):
    """Says what a perfect network would, of Gaussian data, at levels of its own between 0 and 999."""

    def __init__(self, noise: NoiseTable, prediction_type: PredictionType) -> None:
        super().__init__()
        self.noise, self.prediction_type = noise, prediction_type
        self.mid_block = nn.Identity()
        self.config = SimpleNamespace(in_channels=1, sample_size=1, block_out_channels=(1,))

    def forward(self, x_t: Tensor, level: Tensor, *, return_dict: bool) -> tuple[Tensor]:
        self.mid_block(x_t)
        below = level.floor().long().clamp(max=998)
        log_snr = torch.lerp(
            self.noise.log_snr[below], self.noise.log_snr[below + 1], (level - below).double()
        )
        a2 = log_snr.sigmoid()[:, None, None, None].to(x_t)
        a, s = a2.sqrt(), (1.0 - a2).sqrt()
        x_0_hat = MEAN + a * VARIANCE / (a2 * VARIANCE + s * s) * (x_t - a * MEAN)
        epsilon = (x_t - a * x_0_hat) / s
        said = {"epsilon": epsilon, "sample": x_0_hat, "v_prediction": a * epsilon - s * x_0_hat}
        return (said[self.prediction_type],)


def exact_prior(prediction_type: PredictionType) -> DiffusersPrior:
    # Stable Diffusion's levels, whose pace is far from the engine's usual one.
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    noise = NoiseTable.of(torch.cumprod(1.0 - betas, dim=0))
    network = ExactNetwork(noise, prediction_type)
    card = PriorCard(name="exact", kind="image", data_shape=(1, 1, 1), decoder="none", feature_dim=2)
    return DiffusersPrior(DiffusersModel(network, noise, OutputReading(prediction_type, None)), card, "")


@pytest.mark.parametrize("prediction_type", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize(("corrector", "integrator"), [("fkc", "euler_maruyama"), ("twisted", "ancestral")])
def test_a_perfect_network_at_levels_of_its_own_is_sampled_like_the_exact_prior(
    prediction_type: PredictionType, corrector: CorrectorName, integrator: IntegratorName
) -> None:
    config = SamplingConfig(num_steps=100, beta=BETA, corrector=corrector, integrator=integrator, seed=1)
    prior = exact_prior(prediction_type)
    mixture = GaussianMixturePrior(torch.tensor([[MEAN]]), VARIANCE, torch.ones(1), schedule=prior.schedule)
    found = sample(prior, lambda x: x.flatten(1).sum(dim=1), config, num_particles=200)
    expected = sample(mixture, lambda x: x.sum(dim=1), config, num_particles=200)
    torch.testing.assert_close(found.x.flatten(), expected.x.flatten(), rtol=0, atol=2e-3)
    torch.testing.assert_close(found.log_weights, expected.log_weights, rtol=0, atol=2e-3)
    assert found.log_z == pytest.approx(expected.log_z, abs=2e-3)


def test_its_tilted_law_and_log_z_are_the_closed_form() -> None:
    config = SamplingConfig(num_steps=200, beta=BETA, corrector="fkc", seed=1)
    population = sample(exact_prior("epsilon"), lambda x: x.flatten(1).sum(dim=1), config, num_particles=4000)
    weights = population.log_weights.softmax(dim=0).to(population.x)
    x = population.x.flatten()
    mean = (weights * x).sum()
    assert float(mean) == pytest.approx(MEAN + BETA * VARIANCE, abs=0.04)
    assert float((weights * (x - mean) ** 2).sum()) == pytest.approx(VARIANCE, abs=0.03)
    assert population.log_z == pytest.approx(BETA * MEAN + 0.5 * BETA**2 * VARIANCE, abs=0.06)
