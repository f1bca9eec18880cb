"""The table on the screen, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.exactness.measure import Cell
from benchmarks.exactness.methods import OURS
from benchmarks.exactness.targets import verdict

HEADER = f"{'target':24} {'N':>5} {'evals':>5} {'method':18} {'TV / floor':>18} {'log Z bias':>16} {'ESS':>5}"


def line(cell: Cell) -> str:
    """One row; only our own has a verdict."""
    ratio, low, high = cell.variation_ratio
    log_z = "-" if cell.log_z_bias is None else f"{cell.log_z_bias[0]:+.3f} ± {cell.log_z_bias[1]:.3f}"
    said = verdict(cell) if cell.method == OURS else ""
    return (
        f"{cell.case:24} {cell.num_particles:5} {cell.evaluations:5} {cell.method:18} "
        f"{ratio:5.2f} [{low:4.2f}, {high:5.2f}] {log_z:>16} {cell.min_ess_ratio:5.2f}  {said}"
    ).rstrip()


def summary(cells: Sequence[Cell]) -> str:
    """How many of our own cells met what they have to reach."""
    own = [verdict(cell) for cell in cells if cell.method == OURS]
    held = [said for said in own if said != "reported"]
    return f"{sum(said == 'met' for said in held)} of {len(held)} cells with a target met it"
