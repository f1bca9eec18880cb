"""Correctors: what each adds to the prior's kernel, and which weights make that right."""

from __future__ import annotations

from apa.errors import InvalidArgument
from apa.records.sampling import CorrectorName, IntegratorName
from sampler_service.correctors.base import Corrector, Departure
from sampler_service.correctors.clipped import Clipped
from sampler_service.correctors.fkc import Fkc
from sampler_service.correctors.guidance import Guidance
from sampler_service.correctors.twisted import Twisted
from sampler_service.correctors.unsteered import Unsteered

__all__ = ["CORRECTORS", "Corrector", "Departure", "corrector_for"]

CORRECTORS: dict[CorrectorName, Corrector] = {
    "fkc": Fkc(),
    "twisted": Twisted(),
    "clipped": Clipped(),
    "clipped_without_drift": Clipped(with_drift=False),
    "guidance": Guidance(),
    "none": Unsteered(),
}


def corrector_for(name: CorrectorName, integrator: IntegratorName) -> Corrector:
    """The corrector of that name.

    Raises:
        InvalidArgument: it does not work with that integrator.
    """
    corrector = CORRECTORS[name]
    if integrator not in corrector.integrators:
        raise InvalidArgument(
            f"corrector {name!r} does not work with integrator {integrator!r}",
            field="sampling.integrator",
            expected=" or ".join(corrector.integrators),
            found=integrator,
        )
    return corrector
