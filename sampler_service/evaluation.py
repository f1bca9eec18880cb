"""Everything a corrector needs to know at (x_t, t): one denoiser call and one backward pass for all runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from apa.errors import ApaError, Internal, ResourceExhausted
from apa.priors.base import Prior
from sampler_service.potential import Potential
from sampler_service.rewards import Rewards, Rows, not_differentiable, rewards_of


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
    potentials = [part.potential for part in parts]
    steered = [potential for potential in potentials if potential is not None]
    sizes = [len(part.x_t) for part in parts]
    with torch.enable_grad():
        # One leaf for all runs: a row of it is read by its own run's reward alone.
        x_t = torch.cat([part.x_t for part in parts]).detach().requires_grad_(bool(steered))
        t = _times(parts, x_t).requires_grad_(any(part.wants_time_derivative for part in parts))
        with torch.set_grad_enabled(any(potential.uses_denoiser for potential in steered)):
            denoised = prior.denoise(x_t, t)
        rewards = rewards_of(potentials, Rows(x_t, t, *denoised), sizes)
        grad_x, grad_t = _gradients(rewards, [part.wants_gradient for part in parts], x_t, t)
    with torch.no_grad():
        score = prior.score_of(x_t, t, denoised.x_0_hat)
        zeros = [part.x_t.new_zeros(len(part.x_t)) for part in parts]
        values = [zero if r is None else r for r, zero in zip(rewards.values, zeros, strict=True)]
        columns = (x_t, denoised.x_0_hat, score, torch.cat(values).double(), grad_x, grad_t)
        rows = zip(*(_split(column, sizes) for column in columns), strict=True)
        return [_of_part(part, *own) for part, own in zip(parts, rows, strict=True)]


def _of_part(
    part: Part,
    x_t: Tensor,
    x_0_hat: Tensor,
    score: Tensor,
    reward: Tensor,
    grad_x: Tensor | None,
    grad_t: Tensor | None,
) -> Evaluation:
    """What the part asked for, of its own rows."""
    steered = part.potential is not None and part.wants_gradient
    return Evaluation(
        x_t=x_t,
        x_0_hat=x_0_hat,
        score=score,
        reward=reward,
        grad_x=grad_x if steered else None,
        # Zeros where nothing reads t: whether another run of the batch does must not show.
        grad_t=_or_zeros(grad_t, reward) if part.wants_time_derivative else None,
    )


def _or_zeros(gradient: Tensor | None, like: Tensor) -> Tensor:
    return torch.zeros_like(like) if gradient is None else gradient


def _times(parts: Sequence[Part], like: Tensor) -> Tensor:
    """(N,), each row's own t."""
    t = [part.t for part in parts for _ in range(len(part.x_t))]
    return torch.tensor(t, dtype=like.dtype).to(like.device)


def _split(column: Tensor | None, sizes: Sequence[int]) -> Sequence[Any]:
    return [None] * len(sizes) if column is None else torch.split(column.detach(), list(sizes))


def _gradients(
    rewards: Rewards, wants: Sequence[bool], x_t: Tensor, t: Tensor
) -> tuple[Tensor | None, Tensor | None]:
    """Of each row's r in its own x_t, (N, *data_shape), and t, (N,), in one pass; None where unwanted.

    Raises:
        InvalidArgument: a potential does not depend on what it is given to read.
    """
    wanted = [r for r, wants_it in zip(rewards.values, wants, strict=True) if r is not None and wants_it]
    if not wanted:
        return None, None
    r = torch.cat(wanted)
    leaves = [x_t, t] if t.requires_grad else [x_t]
    read = [rows for i, rows in rewards.read.items() if wants[i]]
    grads = torch.autograd.grad(
        r, [*leaves, *(own for rows in read for own in rows)], torch.ones_like(r), allow_unused=True
    )
    rest = iter(grads[len(leaves) :])
    reached = [[next(rest) is not None for _ in rows] for rows in read]
    if grads[0] is None or not all(any(own) for own in reached):
        raise not_differentiable()
    return grads[0], grads[1] if t.requires_grad else None


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
