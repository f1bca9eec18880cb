"""What is measured on the learned priors, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from apa.records.sampling import CorrectorName
from benchmarks.exactness.learned.cases import CASES
from benchmarks.exactness.learned.draws import DEFAULT_CACHE, Draws, draw
from benchmarks.exactness.learned.measure import JUDGED, LearnedCell, enumerated, measure
from benchmarks.report import Scale

CONTROL: CorrectorName = "guidance"
"""No weights: what the verdict has to be able to tell from `twisted`."""


@dataclass(frozen=True)
class Size:
    """How much of one case.

    Attributes:
        chunks, rows: of prior draws.
        num_particles, num_runs: of `twisted`; the control has a quarter of the runs.
        least_ess: of the reference, below which nothing is judged.
    """

    betas: tuple[float, ...]
    chunks: int
    rows: int
    num_particles: int
    num_runs: int
    least_ess: float


FULL = {
    "fashion": Size((1.0, 2.0), 100, 1000, num_particles=64, num_runs=48, least_ess=1000.0),
    "films": Size((1.0, 2.0), 100, 1000, num_particles=128, num_runs=100, least_ess=1000.0),
}
QUICK = {
    "fashion": Size((1.0,), 2, 100, num_particles=16, num_runs=8, least_ess=50.0),
    "films": Size((1.0,), 2, 500, num_particles=64, num_runs=16, least_ess=50.0),
}


def learned_cells(scale: Scale) -> Iterator[LearnedCell]:
    """Every case at every beta: `twisted`, the control, and the catalogue itself where there is one."""
    for name, size in (QUICK if scale.quick else FULL).items():
        case = CASES[name]()
        chunks = size.chunks if scale.draws is None else max(1, min(size.chunks, scale.draws // size.rows))

        def told(done: int, name: str = name, size: Size = size, chunks: int = chunks) -> None:
            print(f"{name}: {done * size.rows} of {chunks * size.rows} prior draws", flush=True)

        draws: Draws = draw(case.chain, chunks, size.rows, scale.cache or DEFAULT_CACHE, told)
        for beta in size.betas:
            for method, runs in ((JUDGED, size.num_runs), (CONTROL, max(2, size.num_runs // 4))):
                yield measure(case, method, beta, draws, size.num_particles, runs, size.least_ess)
            of_the_catalogue = enumerated(case, draws, beta)
            if of_the_catalogue is not None:
                yield of_the_catalogue
