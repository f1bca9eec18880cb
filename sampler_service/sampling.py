"""The in-process call: one run, start to end, by the same tick as the service's."""

from __future__ import annotations

import math

import torch

from apa.errors import ApaError, InvalidArgument
from apa.priors.base import Prior
from apa.records.sampling import SamplingConfig
from apa.surrogates.base import Surrogate
from sampler_service.engine import tick
from sampler_service.population import Population
from sampler_service.potential import Potential, Reward, as_potential
from sampler_service.run import plan_run, start_run
from sampler_service.scheduler_batches import batch_elements, rows_of
from sampler_service.start import Start


def sample(
    prior: Prior,
    reward: Reward | Surrogate | Potential | None,
    config: SamplingConfig | None = None,
    *,
    num_particles: int,
    generator: torch.Generator | None = None,
    start: Start | None = None,
) -> Population:
    """Draws from the prior tilted by exp(beta r); a large population is evaluated in batches of bounded size.

    Args:
        reward: any differentiable callable (n, *data_shape) -> (n,), n particles at a time; a surrogate or a
            potential; None for the prior itself. See `as_potential` for where a plain callable is read.
        num_particles: N.
        generator: draws the run's seed where the config names none; its device is where the run computes.
        start: the items to begin at; pure noise when None.

    Raises:
        InvalidArgument: the config does not fit together, or the reward is not differentiable, raises, or has
            the wrong shape. Or the config names a route that needs stored draws, which
            `sampler_service.routes.take` takes.
        NumericalError: a particle, a reward or a weight became non-finite; names the step.
    """
    if num_particles < 1:
        raise InvalidArgument(
            "a run needs particles", field="num_particles", expected="at least 1", found=str(num_particles)
        )
    config = config or SamplingConfig()
    if config.route not in ("auto", "steer"):
        raise InvalidArgument(
            "a run in-process has no stored draws",
            field="sampling.route",
            expected="auto, which steers then, or steer",
            found=config.route,
        )
    plan = plan_run(prior, as_potential(reward, config.corrector), config, num_particles, start=start)
    device = torch.device("cpu") if generator is None else generator.device
    run = start_run(plan, device, config.seed if config.seed is not None else draw_seed(generator))
    rows = rows_of(math.prod(prior.data_shape), batch_elements(device.type))
    while True:
        (outcome,) = tick([run], [rows])
        if isinstance(outcome, Population):
            return outcome
        if isinstance(outcome, ApaError):
            raise outcome


def draw_seed(generator: torch.Generator | None = None) -> int:
    """A seed for one run: from the generator, or from the operating system without one."""
    if generator is None:
        return torch.Generator().seed() % 2**63
    return int(torch.randint(2**63 - 1, (), generator=generator, device=generator.device))
