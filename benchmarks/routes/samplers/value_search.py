"""Value-guided search: SVDD-PM of Li et al. 2024, "Derivative-free guidance in continuous and discrete
diffusion models with soft value-based decoding".

At each step every particle makes M proposals x' from the prior's own kernel, and one goes on, drawn in
proportion to exp(beta r(x_0_hat(x'))): no gradient, and M evaluations a step. Its law is the target's where M
is large and r(x_0_hat) the soft value but for a constant; so it has neither weights nor log Z.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from sampler_service.evaluation import Evaluation
from sampler_service.grids import steps
from sampler_service.integrators import INTEGRATORS
from sampler_service.population import Population
from sampler_service.routes.plugin import Target, handed_back


@dataclass(frozen=True)
class ValueSearch:
    """Args:
    num_proposals: M.
    """

    num_proposals: int = 8

    def __call__(self, target: Target, num_particles: int, generator: torch.Generator) -> Population:
        """Along the run's own grid, by its integrator."""
        config, prior, m = target.config, target.prior, self.num_proposals
        integrator = INTEGRATORS[config.integrator]
        path = steps(prior.schedule, config, prior.posterior_variance)
        shape = (num_particles, *prior.data_shape)
        x = path[0].s * torch.randn(shape, generator=generator, device=generator.device)
        at = target.evaluate(x, path[0].t)
        for step in path:
            mean, variance = integrator(step, at)
            proposed = mean.repeat_interleave(m, dim=0)
            noise = torch.randn(proposed.shape, generator=generator, device=generator.device)
            at = target.evaluate(proposed + variance**0.5 * noise, step.t_next)
            at = at.at(self._chosen(target.beta, at, generator))
        evaluations = num_particles * (1 + m * len(path))
        return handed_back(at.x_t, denoiser_evaluations=evaluations)

    def _chosen(self, beta: float, at: Evaluation, generator: torch.Generator) -> torch.Tensor:
        """(N,), rows of the proposals (N M, ...): one of each particle's M."""
        values = (beta * at.reward).reshape(-1, self.num_proposals)
        each = torch.multinomial(torch.softmax(values, dim=1), 1, generator=generator)[:, 0]
        return each + self.num_proposals * torch.arange(len(values), device=each.device)


value_search = ValueSearch()
