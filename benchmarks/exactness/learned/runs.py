"""Many runs of one method on one case, each reduced to its log Z_hat and its masses.

Never kept from one call to the next, as draws of the prior are: these are what is being tested.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from apa.records.sampling import CorrectorName
from benchmarks.exactness.learned.cases import LearnedCase
from sampler_service.sampling import sample

FIRST_SEED = 2_000_000
"""Far from the seeds of the draws, which the runs have to be independent of."""


class Runs(NamedTuple):
    """Attributes:
    log_z: (J,), float64; zeros for a method without. cells: (J, C). min_ess_ratio: mean over runs.
    """

    log_z: Tensor
    cells: Tensor
    min_ess_ratio: float


def run_many(case: LearnedCase, corrector: CorrectorName, beta: float, num_particles: int, num: int) -> Runs:
    """The runs of seeds FIRST_SEED, FIRST_SEED + 1, ..."""
    log_z, cells, ess = [], [], []
    for seed in range(FIRST_SEED, FIRST_SEED + num):
        changes = {"corrector": corrector, "beta": beta, "seed": seed}
        config = case.chain.config.model_copy(update=changes)
        population = sample(case.chain.prior, case.potential, config, num_particles=num_particles)
        shares = case.cells(case.chain.judge(population.x)).double()
        log_z.append(0.0 if population.log_z is None else population.log_z)
        cells.append(population.weights @ shares)
        ess.append(min(population.ess_history) / num_particles)
    return Runs(torch.tensor(log_z, dtype=torch.float64), torch.stack(cells), sum(ess) / len(ess))
