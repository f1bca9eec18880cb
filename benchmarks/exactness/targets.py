"""Which cells have something to reach, and whether they did."""

from __future__ import annotations

from benchmarks.exactness.measure import Cell

MOST_DIMENSIONS_OF_LOG_Z = 16


def limits(cell: Cell) -> tuple[float | None, float | None]:
    """(ratio to the floor, bias of log Z) that the cell should stay within; None where only reported."""
    dimensions = int(cell.case.split("-d")[0])
    ratio = {101: 1.2, 100: 1.2, 51: 1.5, 50: 1.5}.get(cell.evaluations) if dimensions <= 64 else None
    if cell.num_particles < 1000 or dimensions > MOST_DIMENSIONS_OF_LOG_Z or cell.evaluations < 50:
        return ratio, None
    if cell.case.endswith("strong"):
        return ratio, 0.3
    return ratio, 0.05 if cell.evaluations >= 100 else 0.1


def verdict(cell: Cell) -> str:
    """`met`, or what was not."""
    ratio, bias = limits(cell)
    missed = []
    if ratio is not None and cell.variation_ratio[0] > ratio:
        missed.append(f"ratio over {ratio:g}")
    if bias is not None and cell.log_z_bias is not None and abs(cell.log_z_bias[0]) > bias:
        missed.append(f"bias over {bias:g}")
    if ratio is None and bias is None:
        return "reported"
    return ", ".join(missed) or "met"
