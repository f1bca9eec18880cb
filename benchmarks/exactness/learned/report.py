"""The learned priors' table on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.exactness.learned.measure import JUDGED, LearnedCell

HEADER = (
    f"{'prior':8} {'beta':>4} {'method':10} {'N x runs':>10} {'draws':>7} {'ESS':>6} "
    f"{'log Z less reference':>22} {'furthest mass':>26} {'p':>5}  variation, of the tilt"
)


def line(cell: LearnedCell) -> str:
    """One row; z in combined standard errors, ESS of the reference."""
    log_z = "-"
    if cell.log_z is not None:
        combined = (cell.log_z.error**2 + cell.log_z.reference_error**2) ** 0.5
        log_z = f"{cell.log_z.value - cell.log_z.reference:+.3f} ± {combined:.3f}"
    furthest = f"{cell.furthest.what.split(maxsplit=1)[-1]} {cell.furthest.z:+.1f}"
    size = f"{cell.num_particles} x {cell.num_runs}" if cell.num_particles else "-"
    p_value = "-" if cell.p_value is None else f"{cell.p_value:.2f}"
    variation = ", ".join(
        f"{group} {cell.variation[group]:.3f} of {cell.tilt[group]:.3f}" for group in cell.variation
    )
    said = cell.verdict if cell.method == JUDGED else ""
    return (
        f"{cell.case:8} {cell.beta:4g} {cell.method:10} {size:>10} {cell.num_draws:7} "
        f"{cell.reference_ess:6.0f} {log_z:>22} {furthest:>26} {p_value:>5}  {variation}  {said}"
    ).rstrip()


def summary(cells: Sequence[LearnedCell]) -> str:
    """How many of the judged are within three standard errors in every value."""
    judged = [cell for cell in cells if cell.verdict != "reported"]
    met = sum(cell.verdict == "met" for cell in judged)
    return f"{met} of {len(judged)} learned cells are within three standard errors in log Z and every mass"
