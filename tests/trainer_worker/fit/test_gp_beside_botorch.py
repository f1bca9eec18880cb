"""The process beside those of BoTorch, which were written by others for the same answers."""

from __future__ import annotations

import math

import torch
from botorch.fit import fit_gpytorch_mll
from botorch.models import SingleTaskGP
from botorch.models.likelihoods.pairwise import PairwiseLogitLikelihood
from botorch.models.pairwise_gp import PairwiseGP, PairwiseLaplaceMarginalLogLikelihood
from gpytorch.kernels import RBFKernel, ScaleKernel
from gpytorch.mlls import ExactMarginalLogLikelihood
from gpytorch.priors import LogNormalPrior
from torch import Tensor

from apa.surrogates import GpSurrogate
from tests.apa.surrogates.toys import ToyPrior, draw
from tests.trainer_worker.fit.answers import honest, rank_correlation
from trainer_worker.fit import fit
from trainer_worker.observations import Observations

PRIOR = ToyPrior((2,), feature_dim=0)


def _taste(x: Tensor) -> Tensor:
    return torch.sin(2.0 * x[:, 0]) + 0.5 * x[:, 1]


def _fit(observations: Observations) -> GpSurrogate:
    surrogate = fit("gp", PRIOR, observations, 0)
    assert isinstance(surrogate, GpSurrogate)
    return surrogate


def test_with_rewards_mean_and_uncertainty_are_about_the_librarys() -> None:
    x, new = draw(PRIOR, 40), draw(PRIOR, 200, seed=1)
    generator = torch.Generator().manual_seed(2)
    rewards = _taste(x).double() + 0.3 * torch.randn(40, generator=generator, dtype=torch.float64)
    ours = _fit(Observations.scalar(x, rewards)).predict(PRIOR, new)

    model = SingleTaskGP(x.double(), rewards[:, None], covar_module=ScaleKernel(RBFKernel()))
    fit_gpytorch_mll(ExactMarginalLogLikelihood(model.likelihood, model))
    with torch.no_grad():
        theirs = model.posterior(new.double())
        mean, std = theirs.mean[:, 0], theirs.variance[:, 0].sqrt()

    assert rank_correlation(ours.mean, mean) > 0.95
    assert float(((ours.mean - mean).abs() / std).median()) < 1.0
    assert 0.5 < float((ours.std / std).median()) < 2.0
    assert rank_correlation(ours.std, std) > 0.8


def test_with_comparisons_the_order_is_the_librarys() -> None:
    x, new = draw(PRIOR, 40), draw(PRIOR, 200, seed=1)
    observations = honest("pairwise", x, _taste(x))
    ours = _fit(observations).joint(PRIOR, new)

    model = PairwiseGP(
        x.double(),
        torch.tensor(observations.rows),
        likelihood=PairwiseLogitLikelihood(),
        # Without a prior of the variance, answers without an error let it grow without end.
        covar_module=ScaleKernel(RBFKernel(), outputscale_prior=LogNormalPrior(math.log(4.0), 1.0)),
    )
    mode = PairwiseLaplaceMarginalLogLikelihood(model.likelihood, model)
    # Its mode is found to a tolerance, at which the search warns and ends.
    fit_gpytorch_mll(mode, max_attempts=1, warning_handler=lambda _: True)

    assert rank_correlation(ours.mean, model.posterior(new.double()).mean[:, 0].detach()) > 0.95
