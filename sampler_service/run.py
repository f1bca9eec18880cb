"""The state of one run, and the loop's body: arrive, resample, depart. Every corrector goes through it."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from apa.errors import FailedPrecondition, InvalidArgument, NumericalError
from apa.priors.base import Prior
from apa.priors.posterior_variance import PosteriorVariance
from apa.records.sampling import SamplingConfig
from sampler_service import grids
from sampler_service.correctors import CORRECTORS, Corrector, corrector_for
from sampler_service.evaluation import Evaluation, Part
from sampler_service.integrators import INTEGRATORS
from sampler_service.population import Population
from sampler_service.potential import Potential, check_prior
from sampler_service.resampling import SCHEMES
from sampler_service.start import Start
from sampler_service.tempering import check_tempering


@dataclass(frozen=True)
class Plan:
    """Everything about a run that is decided before it starts; built off the tick, checked there.

    Attributes:
        potential: None for the prior itself.
        steps: the scalars of each step.
        start: the items that the run begins at; None for pure noise.
    """

    prior: Prior
    potential: Potential | None
    config: SamplingConfig
    num_particles: int
    corrector: Corrector
    steps: tuple[grids.Step, ...]
    start: Start | None = None


def plan_run(
    prior: Prior,
    potential: Potential | None,
    config: SamplingConfig,
    num_particles: int,
    corrector: Corrector | None = None,
    start: Start | None = None,
) -> Plan:
    """Checks and prepares a run; `corrector` replaces the one that the config names.

    Raises:
        InvalidArgument: corrector and integrator, active interval or start do not go together, the grid is
            empty, or the potential was tempered for another config.
        FailedPrecondition: the surrogate was fitted on the features of another prior, or the integrator needs
            a posterior variance that the prior does not have.
    """
    check_prior(potential, prior)
    check_tempering(potential, config)
    # Nothing to steer by: the prior itself, whatever corrector was named.
    name = "none" if potential is None else config.corrector
    chosen = corrector or corrector_for(name, config.integrator)
    if config.active_interval is not None and not chosen.takes_interval:
        raise InvalidArgument(
            f"corrector {config.corrector!r} steers along the whole path",
            field="sampling.active_interval",
            expected="none, or corrector 'fkc', 'twisted' or 'guidance'",
            found=str(config.active_interval),
        )
    if start is not None:
        start.check(num_particles, prior.data_shape, exact=chosen.exact)
    return Plan(
        prior=prior,
        potential=potential if chosen.steers else None,
        config=config,
        num_particles=num_particles,
        corrector=chosen,
        steps=grids.steps(
            prior.schedule, config, _posterior_variance(prior, config), 0.0 if start is None else start.share
        ),
        start=start,
    )


def _posterior_variance(prior: Prior, config: SamplingConfig) -> PosteriorVariance | None:
    """What the integrator adds, where it adds it.

    Raises:
        FailedPrecondition: the prior has no table of it.
    """
    if config.integrator != "analytic":
        return None
    if prior.posterior_variance is None:
        raise FailedPrecondition(
            "the prior does not know its posterior variance",
            field="sampling.integrator",
            expected="ancestral or euler_maruyama, or a prior folder with a posterior variance",
            found=f"analytic with {prior.card.name}",
        )
    return prior.posterior_variance


@dataclass
class Run:
    """A population under way. All of its randomness comes from its own generator.

    Attributes:
        x: (N, *data_shape), at the time of `step`.
        log_weights: (N,), float64, since the last resampling.
        ancestors: (N,), rows of the initial population.
        step: steps taken so far.
        log_z: of the resamplings so far.
        clip_events: 0-dim count.
        last_reward: (N,), r where it was last read.
        left_reward: (N,), r where the particles left the active interval; None while they are in it.
        evaluated: of the first rows at the time of `step`, until all rows are there.
        denoiser_evaluations: rows that were evaluated so far, over all steps.
    """

    plan: Plan
    generator: torch.Generator
    seed: int
    x: Tensor
    log_weights: Tensor
    ancestors: Tensor
    clip_events: Tensor
    step: int = 0
    log_z: float = 0.0
    num_resamplings: int = 0
    ess_history: list[float] = field(default_factory=list)
    last_reward: Tensor | None = None
    left_reward: Tensor | None = None
    evaluated: list[Evaluation] = field(default_factory=list)
    denoiser_evaluations: int = 0

    @property
    def at_end(self) -> bool:
        return self.step == len(self.plan.steps)

    @property
    def t(self) -> float:
        steps = self.plan.steps
        return steps[-1].t_next if self.at_end else steps[self.step].t

    @property
    def needs_evaluation(self) -> bool:
        """At the end only exact weights are still owed something."""
        return not self.at_end or self.plan.corrector.exact

    @property
    def rows_left(self) -> int:
        """Rows that are still to be evaluated before the next step."""
        return len(self.x) - self._rows_done if self.needs_evaluation else 0

    @property
    def _rows_done(self) -> int:
        return sum(len(slice_.x_t) for slice_ in self.evaluated)

    def part(self, rows: int) -> Part:
        """What this run asks of the next evaluation: its next so many rows."""
        x, corrector = self.x[self._rows_done :][:rows], self.plan.corrector
        potential = self.plan.potential if self._departs or self._arrives or self._closes else None
        gradient = self._departs or (self._arrives and corrector.reads_gradient_on_arrival)
        timed = gradient and potential is not None and potential.depends_on_t
        return Part(x, self.t, potential, timed and corrector.needs_time_derivative, gradient)

    @property
    def _begins_tilted(self) -> bool:
        """Whether this is the start, at items that were chosen by their reward."""
        return self.step == 0 and self.plan.start is not None

    @property
    def _departs(self) -> bool:
        """Whether the next step is steered."""
        return not self.at_end and self.plan.steps[self.step].steered

    @property
    def _arrives(self) -> bool:
        """Whether a steered step ends here, and its weight is due."""
        return self.plan.corrector.exact and self.step > 0 and self.plan.steps[self.step - 1].steered

    @property
    def _closes(self) -> bool:
        """Whether the path ends here, after steps that were not steered, and the closing weight is due."""
        return self.plan.corrector.exact and self.at_end and not self._arrives

    def collect(self, evaluation: Evaluation) -> Evaluation | None:
        """The evaluation of all rows, once the last of them are here."""
        self.evaluated.append(evaluation)
        self.denoiser_evaluations += len(evaluation.x_t)
        if self._rows_done < len(self.x):
            return None
        slices, self.evaluated = self.evaluated, []
        return _joined(slices)

    def arrive(self, at: Evaluation) -> None:
        """Adds the weight that is due on arriving here."""
        corrector = self.plan.corrector
        if self._departs or self._arrives or self._closes:
            self.last_reward = at.reward
        if self._begins_tilted:
            self.log_weights = self.log_weights + self.plan.steps[0].beta * at.reward
        if self._arrives:
            self.log_weights = corrector.arrive(self.plan.steps[self.step - 1], at, self.log_weights)
            self.left_reward = None if self._departs else at.reward
        elif self._closes:
            assert self.left_reward is not None, "a run closes an interval that it never left"
            beta = self.plan.steps[-1].beta_next
            self.log_weights = corrector.close(beta, at, self.left_reward, self.log_weights)

    def record(self, ess: float, finite: float) -> None:
        """Notes the ESS after a step.

        Raises:
            NumericalError: a particle, a reward or a weight is not finite; names the step.
        """
        if not finite:
            raise NumericalError(
                f"a non-finite particle, reward or weight at step {self.step} of {len(self.plan.steps)}",
                expected="finite rewards, gradients and denoiser outputs",
            )
        if self.step > 0:
            self.ess_history.append(ess)

    def resampling_due(self, ess: float) -> bool:
        """Never on arrival: weights at the end are the caller's to use."""
        threshold = self.plan.config.ess_threshold * len(self.log_weights)
        weighted = self.step > 0 or self._begins_tilted
        return self.plan.corrector.exact and weighted and not self.at_end and ess < threshold

    def resample(self, at: Evaluation, log_mean_weight: float) -> Evaluation:
        """Every per-particle quantity is re-indexed by the same ancestors; log Z gains log mean exp(w)."""
        scheme = SCHEMES[self.plan.config.resampling]
        rows = scheme(torch.softmax(self.log_weights, dim=0), self.generator)
        self.x = self.x[rows]
        self.ancestors = self.ancestors[rows]
        self.left_reward = None if self.left_reward is None else self.left_reward[rows]
        self.log_weights = torch.zeros_like(self.log_weights)
        self.log_z += log_mean_weight
        self.num_resamplings += 1
        return at.at(rows)

    def depart(self, at: Evaluation) -> None:
        """One step of the path."""
        step = self.plan.steps[self.step]
        kernel = INTEGRATORS[self.plan.config.integrator](step, at)
        noise = standard_normal(self.x.shape, self.generator, self.x.device)
        corrector = self.plan.corrector if step.steered else CORRECTORS["none"]
        self.x, self.log_weights, clips = corrector.depart(step, kernel, at, self.log_weights, noise)
        if clips is not None:
            self.clip_events = self.clip_events + clips
        self.step += 1

    def population(self, log_mean_weight: float) -> Population:
        """The finished run."""
        tilt = self._tilt() if self.plan.corrector.exact else None
        log_z = None if tilt is None else self.log_z + log_mean_weight
        return Population(
            x=self.x,
            log_weights=self.log_weights,
            log_z=log_z,
            kl_to_prior=None if tilt is None or log_z is None else self._mean(tilt) - log_z,
            ess_history=tuple(self.ess_history),
            ancestors=self.ancestors,
            num_resamplings=self.num_resamplings,
            unique_ancestors=len(torch.unique(self.ancestors)),
            clip_events=int(self.clip_events),
            seed=self.seed,
            denoiser_evaluations=self.denoiser_evaluations,
            tilt=tilt,
        )

    def _tilt(self) -> Tensor:
        """(N,), beta r at the end, as its last evaluation read it."""
        assert self.last_reward is not None, "an exact corrector's run ended without its last evaluation"
        return self.plan.steps[-1].beta_next * self.last_reward

    def _mean(self, of: Tensor) -> float:
        """E_p under the final weights, of (N,)."""
        return float((torch.softmax(self.log_weights, dim=0) * of).sum())


def start_run(plan: Plan, device: torch.device, seed: int) -> Run:
    """A run at t_start: pure noise and equal weights (beta is 0 there), or stored draws, noised."""
    generator = torch.Generator(device).manual_seed(seed)
    n, first, start = plan.num_particles, plan.steps[0], plan.start
    noise = first.s * standard_normal((n, *plan.prior.data_shape), generator, device)
    if start is None:
        x, ancestors = noise, torch.arange(n, device=device)
        log_weights = torch.zeros(n, dtype=torch.float64, device=device)
    else:
        x, ancestors = first.a * start.x_0.to(noise) + noise, start.rows.to(device)
        log_weights = -start.tilt.to(device)
    return Run(
        plan=plan,
        generator=generator,
        seed=seed,
        x=x,
        log_weights=log_weights,
        ancestors=ancestors,
        clip_events=torch.zeros((), dtype=torch.int64, device=device),
        log_z=0.0 if start is None else start.log_z,
    )


def _joined(slices: list[Evaluation]) -> Evaluation:
    """One evaluation of consecutive rows."""
    if len(slices) == 1:
        return slices[0]
    grads_x = [at.grad_x for at in slices if at.grad_x is not None]
    grads_t = [at.grad_t for at in slices if at.grad_t is not None]
    return Evaluation(
        x_t=torch.cat([at.x_t for at in slices]),
        x_0_hat=torch.cat([at.x_0_hat for at in slices]),
        score=torch.cat([at.score for at in slices]),
        reward=torch.cat([at.reward for at in slices]),
        grad_x=torch.cat(grads_x) if grads_x else None,
        grad_t=torch.cat(grads_t) if grads_t else None,
    )


def standard_normal(shape: tuple[int, ...], generator: torch.Generator, device: torch.device) -> Tensor:
    """float32 whatever the process's default dtype is, as the models are."""
    return torch.randn(shape, generator=generator, device=device, dtype=torch.float32)
