"""The tick: particles of many runs, all of one prior in one denoiser call, and the steps it completes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from apa.errors import ApaError, Internal
from apa.priors.base import Prior
from sampler_service.evaluation import Evaluation, evaluate_all
from sampler_service.population import Population
from sampler_service.preview import Preview, preview_of
from sampler_service.run import Run
from sampler_service.summaries import Summary, summaries_of


@dataclass(frozen=True)
class Progress:
    """A run arrived at another step.

    Attributes:
        step: steps taken, 0 to num_steps.
        ess: effective sample size, 1 to N, before any resampling.
        log_z: estimate so far; None where the corrector has none.
        resampled: whether the population was resampled here.
        preview: of the population before any resampling; None where the tick was not asked for it.
    """

    step: int
    num_steps: int
    ess: float
    log_z: float | None
    num_resamplings: int
    resampled: bool
    preview: Preview | None = None


Outcome = Progress | Population | ApaError | None
"""What a tick made of a run: it goes on, is finished, or failed; None while some of its rows are to come."""


def tick(
    runs: Sequence[Run], rows: Sequence[int] | None = None, previews: Sequence[int] | None = None
) -> list[Outcome]:
    """Advances every run by one step; a run that is at its end is finished instead.

    A run's result does not depend on who shares the tick, and an error ends only the run that caused it.

    Args:
        rows: of each run, how many of its particles to evaluate now; all when None. A run takes its step once
            all of them are evaluated, so that a large one may share the device in many small batches.
        previews: of each run, how many denoised estimates its Progress carries; none when None. They change
            nothing of the run, and cost nothing where there are none.

    Returns:
        One outcome for each run, in the order of `runs`.
    """
    with torch.no_grad():
        failures: dict[int, ApaError] = {}
        arrived: dict[int, Evaluation | None] = {i: None for i, run in enumerate(runs) if not run.rows_left}
        for i, evaluation in _evaluate_by_prior(runs, rows).items():
            if isinstance(evaluation, ApaError):
                failures[i] = evaluation
            elif (whole := runs[i].collect(evaluation)) is not None:
                runs[i].arrive(whole)
                arrived[i] = whole
        summaries = summaries_of([runs[i] for i in arrived])
        outcomes: dict[int, Outcome] = dict(failures)
        for (i, at), summary in zip(arrived.items(), summaries, strict=True):
            outcomes[i] = _advance(runs[i], at, summary, 0 if previews is None else previews[i])
        return [outcomes.get(i) for i in range(len(runs))]


def _advance(run: Run, at: Evaluation | None, summary: Summary, num_previewed: int) -> Outcome:
    ess, log_mean_weight, finite = summary
    try:
        run.record(ess, finite)
        if run.at_end:
            return run.population(log_mean_weight)
        assert at is not None, "a run that is not at its end is always evaluated"
        log_z = run.log_z + log_mean_weight if run.plan.corrector.exact else None
        step, resampled = run.step, run.resampling_due(ess)
        preview = preview_of(at.x_0_hat, run.log_weights, num_previewed) if num_previewed else None
        if resampled:
            at = run.resample(at, log_mean_weight)
        run.depart(at)
        return Progress(step, len(run.plan.steps), ess, log_z, run.num_resamplings, resampled, preview)
    except ApaError as error:
        return error
    except Exception as error:
        wrapped = Internal(f"step {run.step} failed: {type(error).__name__}")
        wrapped.__cause__ = error
        return wrapped


def _evaluate_by_prior(runs: Sequence[Run], rows: Sequence[int] | None) -> dict[int, Evaluation | ApaError]:
    """The evaluations of all runs that need one, by position, in one denoiser call for each prior."""
    groups: dict[int, tuple[Prior, list[int]]] = {}
    for i, run in enumerate(runs):
        if run.rows_left:
            groups.setdefault(id(run.plan.prior), (run.plan.prior, []))[1].append(i)
    evaluations: dict[int, Evaluation | ApaError] = {}
    for prior, members in groups.values():
        parts = [runs[i].part(runs[i].rows_left if rows is None else rows[i]) for i in members]
        evaluations.update(zip(members, evaluate_all(prior, parts), strict=True))
    return evaluations
