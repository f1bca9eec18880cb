"""BoTorch's qLogEI (Ament et al. 2023): a Gaussian process on what decodes to items, no steering.

The prior's latent space is its initial noise, decoded by the deterministic path (DDIM, Song et al. 2021). In
hundreds of dimensions the acquisition is maximised over candidates: fresh draws, and steps from the best so
far, as trust-region methods do.
"""

from __future__ import annotations

import torch
from torch import Tensor

from alignment import Respond
from alignment.loop import cost
from alignment.slates import resolved
from apa.priors.base import Prior
from apa.records.asking import answers_to, shown_for
from apa.records.sampling import SamplingConfig
from benchmarks.alignment.methods.method import Shown, seeded
from benchmarks.alignment.tasks import Task
from sampler_service import grids
from sampler_service.decoding import catalogue_of

NUM_CANDIDATES = 192
"""Fresh ones, and as many beside the best; each costs a joint posterior of its own, in every pick."""
NUM_INCUMBENTS = 4
STEPS = (0.1, 0.3, 0.6)
"""Of candidates beside the best, in standard deviations of the latent space."""
FIT_STEPS = 50
"""Of L-BFGS: with a length scale for each of hundreds of dimensions it goes on for minutes otherwise."""
NUM_SAMPLES = 64
"""Of the Monte-Carlo acquisition."""


def qlogei(task: Task, respond: Respond, seed: int, shown: Shown) -> None:
    """Spends the budget by expected improvement."""
    space = _Space(task)
    latents, values = torch.empty(0, space.dims), torch.empty(0, 1, dtype=torch.float64)
    spent = rounds = 0
    while spent < task.config.budget:
        asked = min(answers_to(task.config, task.config.particles_per_round), task.config.budget - spent)
        k, generator = shown_for(task.config, asked), seeded(seed, rounds)
        z = space.draw(k, generator) if rounds == 0 else _next(space, latents, values, k, generator)
        x = space.decode(z)
        answers = respond(x, asked)
        # Only scalar and binary answers have values to improve on.
        latents = torch.cat([latents, z[answers.item_of_value]])
        values = torch.cat([values, answers.values[:, None]])
        spent, rounds = spent + cost(answers), rounds + 1
        shown(x)


def _next(space: _Space, latents: Tensor, values: Tensor, k: int, generator: torch.Generator) -> Tensor:
    """(k, dims), the candidates of the largest joint expected improvement, one after the other."""
    from botorch.acquisition.logei import qLogExpectedImprovement
    from botorch.fit import fit_gpytorch_mll
    from botorch.models import SingleTaskGP
    from botorch.models.transforms.input import Normalize
    from botorch.optim.optimize import optimize_acqf_discrete
    from botorch.sampling.normal import SobolQMCNormalSampler
    from gpytorch.mlls import ExactMarginalLogLikelihood

    torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
    with torch.enable_grad():
        model = SingleTaskGP(latents.double(), values, input_transform=Normalize(space.dims))
        likelihood = ExactMarginalLogLikelihood(model.likelihood, model)
        fit_gpytorch_mll(likelihood, optimizer_kwargs={"options": {"maxiter": FIT_STEPS}})
    sampler = SobolQMCNormalSampler(torch.Size([NUM_SAMPLES]), seed=0)
    improvement = qLogExpectedImprovement(model, float(values.max()), sampler=sampler)
    candidates = _candidates(space, latents, values, generator).double()
    with torch.no_grad():
        chosen, _ = optimize_acqf_discrete(improvement, q=k, choices=candidates, unique=True)
    found: Tensor = chosen.float()
    return found


def _candidates(space: _Space, latents: Tensor, values: Tensor, generator: torch.Generator) -> Tensor:
    best = latents[values.flatten().topk(min(NUM_INCUMBENTS, len(values))).indices]
    near = best[torch.randint(len(best), (NUM_CANDIDATES,), generator=generator)]
    sizes = torch.tensor(STEPS)[torch.randint(len(STEPS), (NUM_CANDIDATES, 1), generator=generator)]
    steps = sizes * torch.randn(near.shape, generator=generator)
    return torch.cat([space.draw(NUM_CANDIDATES, generator), space.near(near, steps)])


class _Space:
    """Initial noise, flat; of a catalogue each decodes to an item that was not shown."""

    def __init__(self, task: Task) -> None:
        self._prior = task.prior
        self._config = resolved(task.prior, task.config)
        self.dims = int(torch.tensor(task.prior.data_shape).prod())
        self._seen: set[int] = set()

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        return torch.randn(n, self.dims, generator=generator)

    def near(self, z: Tensor, steps: Tensor) -> Tensor:
        """Turned towards fresh noise, so that their lengths stay those of noise."""
        size = (steps.square().mean(dim=1, keepdim=True)).sqrt().clamp(max=1.0)
        return (1.0 - size**2).sqrt() * z + steps

    def decode(self, z: Tensor) -> Tensor:
        x = deterministic(self._prior, z.reshape(-1, *self._prior.data_shape), self._config)
        catalogue = catalogue_of(self._prior)
        if catalogue is None:
            return x
        items = catalogue.decode_distinct(x.numpy(), len(x), self._seen).items
        self._seen |= set(items.tolist())
        return torch.from_numpy(catalogue.vectors[items])


@torch.inference_mode()
def deterministic(prior: Prior, noise: Tensor, config: SamplingConfig) -> Tensor:
    """(N, *data_shape): the probability flow from this noise, on the grid of a run's config."""
    steps = grids.steps(prior.schedule, config.model_copy(update={"integrator": "ancestral"}))
    x = steps[0].s * noise
    for step in steps:
        t = torch.tensor([step.t, step.t_next], dtype=torch.float64)
        (a, a_next), (s, s_next) = prior.schedule.scale(t).tolist(), prior.schedule.std(t).tolist()
        x_0_hat = prior.denoise(x, torch.full((len(x),), step.t)).x_0_hat
        x = a_next * x_0_hat + (s_next / s) * (x - a * x_0_hat)
    return x
