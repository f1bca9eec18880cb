"""`python -m tests.sampler_service.dying_sampler`: a sampler whose engine dies at its first tick."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from apa.config import load_or_exit
from sampler_service import __main__ as sampler
from sampler_service import service_loop
from sampler_service.config import SamplerSettings
from sampler_service.engine import Outcome
from sampler_service.run import Run


def _dies(runs: Sequence[Run], rows: Sequence[int], previews: Sequence[int]) -> list[Outcome]:
    raise SystemExit("a bug that no handler expects")


if __name__ == "__main__":
    vars(service_loop)["tick"] = _dies
    asyncio.run(sampler.main(load_or_exit(SamplerSettings)))
