"""One line of the table: a method's runs on a case against the reference, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from apa.records.sampling import CorrectorName
from benchmarks.exactness.learned.cases import LearnedCase
from benchmarks.exactness.learned.compare import MOST_ERRORS, Difference, differences, joint_p_value
from benchmarks.exactness.learned.draws import Draws
from benchmarks.exactness.learned.estimate import Estimate, estimate
from benchmarks.exactness.learned.runs import run_many
from sampler_service.correctors import CORRECTORS

JUDGED: CorrectorName = "twisted"
"""What has to be exact for a learned prior; anything else is there to be told apart from it."""


@dataclass(frozen=True)
class LearnedCell:
    """What one method reached on one case.

    Attributes:
        num_particles: N of a run; 0 for `enumerated`, which is no sampler.
        num_draws, reference_ess: of the prior draws behind the reference.
        runs_ess: of the weights Z_hat over runs, 1 to num_runs; over items for `enumerated`.
        min_ess_ratio: lowest ESS / N in a run, the mean over runs.
        log_z: None for methods without.
        masses: of every cell, in the order of the groups.
        variation: group -> total variation to the reference's masses.
        tilt: group -> total variation between the reference's masses and the prior's own.
        p_value: of all differences together; None with too few runs.
        verdict: `met`, what is more than three standard errors off, or `reported`.
    """

    case: str
    method: str
    beta: float
    steps: int
    num_particles: int
    num_runs: int
    num_draws: int
    reference_ess: float
    runs_ess: float
    min_ess_ratio: float
    log_z: Difference | None
    masses: tuple[Difference, ...]
    variation: dict[str, float]
    tilt: dict[str, float]
    p_value: float | None
    verdict: str

    @property
    def furthest(self) -> Difference:
        """The mass that is most standard errors off."""
        return max(self.masses, key=lambda mass: abs(mass.z))


def reference_of(case: LearnedCase, draws: Draws, beta: float) -> Estimate:
    """Self-normalised importance weights exp(beta r) on draws of the chain."""
    return estimate(beta * case.reward(draws.read), case.cells(draws.judged))


def enumerated(case: LearnedCase, draws: Draws, beta: float) -> LearnedCell | None:
    """The catalogue itself, each item as likely as any other, tilted: how far the prior is from its data.

    That gap is the model's and not the sampler's, so it has no verdict; None for a case that is no catalogue.
    """
    if case.items is None:
        return None
    return compared(case, "enumerated", beta, draws, reference_of(case, case.items, beta).without_error())


def measure(
    case: LearnedCase,
    method: CorrectorName,
    beta: float,
    draws: Draws,
    num_particles: int,
    num_runs: int,
    least_ess: float,
) -> LearnedCell:
    """Runs the seeds and compares them with the reference.

    Args:
        least_ess: of the reference; below it there is nothing to be judged by.
    """
    runs = run_many(case, method, beta, num_particles, num_runs)
    found = estimate(runs.log_z, runs.cells)
    return compared(case, method, beta, draws, found, num_particles, runs.min_ess_ratio, least_ess)


def compared(
    case: LearnedCase,
    method: str,
    beta: float,
    draws: Draws,
    found: Estimate,
    num_particles: int = 0,
    min_ess_ratio: float = 1.0,
    least_ess: float = 0.0,
) -> LearnedCell:
    """Any estimate against the reference; only `twisted` has a verdict."""
    reference, prior = reference_of(case, draws, beta), reference_of(case, draws, 0.0)
    log_z, *masses = differences(("log Z", *_names(case)), found, reference)
    has_log_z = method not in {name for name, corrector in CORRECTORS.items() if not corrector.exact}
    cell = LearnedCell(
        case=case.name,
        method=method,
        beta=beta,
        steps=case.chain.config.num_steps,
        num_particles=num_particles,
        num_runs=found.num_replicates if num_particles else 0,
        num_draws=len(draws),
        reference_ess=reference.ess,
        runs_ess=found.ess,
        min_ess_ratio=min_ess_ratio,
        log_z=log_z if has_log_z else None,
        masses=tuple(masses),
        variation=_variation(case, found, reference),
        tilt=_variation(case, reference, prior),
        p_value=joint_p_value(found, reference, _independent(case, has_log_z)) if num_particles else None,
        verdict="reported",
    )
    judged = method == JUDGED and reference.ess >= least_ess
    return cell if not judged else _with_verdict(cell)


def _with_verdict(cell: LearnedCell) -> LearnedCell:
    values = ([] if cell.log_z is None else [cell.log_z]) + list(cell.masses)
    off = [f"{one.what} {one.z:+.1f}" for one in values if not abs(one.z) <= MOST_ERRORS]
    return replace(cell, verdict=", ".join(off) or "met")


def _names(case: LearnedCase) -> tuple[str, ...]:
    return tuple(f"{group} {cell}" for group, cells in case.groups.items() for cell in cells)


def _variation(case: LearnedCase, one: Estimate, other: Estimate) -> dict[str, float]:
    gap, first, variation = (one.values - other.values).abs(), 1, {}
    for group, cells in case.groups.items():
        variation[group] = 0.5 * float(gap[first : first + len(cells)].sum())
        first += len(cells)
    return variation


def _independent(case: LearnedCase, has_log_z: bool) -> Tensor:
    """Positions of log Z, and of all but the last cell of each group, which follows from the others."""
    kept, first = [0] if has_log_z else [], 1
    for cells in case.groups.values():
        kept += range(first, first + len(cells) - 1)
        first += len(cells)
    return torch.tensor(kept)
