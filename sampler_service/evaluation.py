"""Everything a corrector needs to know at (x_t, t): one denoiser call and one backward pass for all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from apa.errors import ApaError, Internal, ResourceExhausted
from apa.priors.base import Denoised, Prior
from sampler_service.potential import Potential
from sampler_service.rewards import not_differentiable, rewards_of


@dataclass(frozen=True)
class Part:
    """One run's share of an evaluation.

    Attributes:
        x_t: (N, *data_shape).
        t: the run's own time.
        potential: None where nothing steers.
        wants_time_derivative: whether d r / d t is needed too.
        wants_gradient: False where only the value of r is needed: no backward pass runs for it.
    """

    x_t: Tensor
    t: float
    potential: Potential | None
    wants_time_derivative: bool = False
    wants_gradient: bool = True


@dataclass(frozen=True)
class Evaluation:
    """What is known at (x_t, t), detached from every graph.

    Attributes:
        x_t, x_0_hat, score: (N, *data_shape).
        reward: (N,), float64; zeros without a potential.
        grad_x: (N, *data_shape), the gradient of r in x_t; None without a potential or where not asked for.
        grad_t: (N,), d r / d t at fixed x_t; None where it is zero or was not asked for.
    """

    x_t: Tensor
    x_0_hat: Tensor
    score: Tensor
    reward: Tensor
    grad_x: Tensor | None = None
    grad_t: Tensor | None = None

    def at(self, ancestors: Tensor) -> Evaluation:
        """The same for resampled particles; ancestors: (N,)."""
        return replace(
            self,
            x_t=self.x_t[ancestors],
            x_0_hat=self.x_0_hat[ancestors],
            score=self.score[ancestors],
            reward=self.reward[ancestors],
            grad_x=None if self.grad_x is None else self.grad_x[ancestors],
            grad_t=None if self.grad_t is None else self.grad_t[ancestors],
        )


def evaluate(prior: Prior, potential: Potential | None, x_t: Tensor, t: float) -> Evaluation:
    """One run's evaluation, with the time derivative where the potential has one.

    Raises:
        InvalidArgument: the reward raises, is not differentiable or has the wrong shape.
    """
    wants_time_derivative = potential is not None and potential.depends_on_t
    return _evaluate(prior, [Part(x_t, t, potential, wants_time_derivative)])[0]


def evaluate_all(prior: Prior, parts: Sequence[Part]) -> list[Evaluation | ApaError]:
    """Evaluates many runs in one denoiser call; a part that fails is replaced by its error.

    After a failure each part is evaluated alone: it costs one slow tick, and only the guilty run ends.
    """
    try:
        return list(_evaluate(prior, parts))
    except Exception as error:
        if len(parts) > 1:
            return [evaluate_all(prior, [part])[0] for part in parts]
        return [_as_error(error)]


def _evaluate(prior: Prior, parts: Sequence[Part]) -> list[Evaluation]:
    through_denoiser = any(part.potential is not None and part.potential.uses_denoiser for part in parts)
    with torch.enable_grad():
        # Each run has leaves of its own, so that one backward pass gives each its own gradient.
        xs = [part.x_t.detach().requires_grad_(part.potential is not None) for part in parts]
        ts = [
            part.x_t.new_full((len(part.x_t),), part.t).requires_grad_(part.wants_time_derivative)
            for part in parts
        ]
        batch_x, batch_t = torch.cat(xs), torch.cat(ts)
        with torch.set_grad_enabled(through_denoiser):
            denoised = prior.denoise(batch_x, batch_t)
        sizes = [len(x) for x in xs]
        split = [
            Denoised(x_0_hat, features)
            for x_0_hat, features in zip(
                torch.split(denoised.x_0_hat, sizes), torch.split(denoised.features, sizes), strict=True
            )
        ]
        rewards = rewards_of([part.potential for part in parts], xs, ts, split)
        wanted = [r if part.wants_gradient else None for r, part in zip(rewards, parts, strict=True)]
        grads_x, grads_t = _gradients(wanted, xs, ts)
    with torch.no_grad():
        scores = torch.split(prior.score_of(batch_x, batch_t, denoised.x_0_hat), sizes)
        return [
            Evaluation(
                x_t=x.detach(),
                x_0_hat=own.x_0_hat.detach(),
                score=score.detach(),
                reward=x.new_zeros(len(x), dtype=torch.float64) if r is None else r.detach().double(),
                grad_x=grad_x,
                grad_t=grad_t,
            )
            for x, own, score, r, grad_x, grad_t in zip(
                xs, split, scores, rewards, grads_x, grads_t, strict=True
            )
        ]


def _gradients(
    rewards: Sequence[Tensor | None], xs: Sequence[Tensor], ts: Sequence[Tensor]
) -> tuple[list[Tensor | None], list[Tensor | None]]:
    """The gradients of each run's r in its own x_t and t, in one backward pass."""
    steered = [i for i, r in enumerate(rewards) if r is not None]
    timed = [i for i in steered if ts[i].requires_grad]
    grads_x: list[Tensor | None] = [None] * len(rewards)
    grads_t: list[Tensor | None] = [None] * len(rewards)
    if not steered:
        return grads_x, grads_t
    values = [r for r in rewards if r is not None]
    grads = torch.autograd.grad(
        values,
        [*(xs[i] for i in steered), *(ts[i] for i in timed)],
        grad_outputs=[torch.ones_like(r) for r in values],
        allow_unused=True,
    )
    for i, grad in zip(steered, grads[: len(steered)], strict=True):
        if grad is None:
            raise not_differentiable()
        grads_x[i] = grad
    for i, grad in zip(timed, grads[len(steered) :], strict=True):
        grads_t[i] = grad
    return grads_x, grads_t


def _as_error(error: Exception) -> ApaError:
    """What is not the reward's fault, in the family that callers know."""
    if isinstance(error, ApaError):
        return error
    wrapped: ApaError
    if isinstance(error, torch.OutOfMemoryError):
        wrapped = ResourceExhausted("the device is out of memory", retry_after_s=1.0)
    else:
        wrapped = Internal(f"the evaluation failed: {type(error).__name__}")
    wrapped.__cause__ = error
    return wrapped
