"""The prior's own reverse kernel, by the name of its integrator."""

from __future__ import annotations

from apa.records.sampling import IntegratorName
from sampler_service.integrators.analytic import analytic
from sampler_service.integrators.ancestral import ancestral
from sampler_service.integrators.base import Integrator, Kernel
from sampler_service.integrators.euler_maruyama import euler_maruyama

__all__ = ["INTEGRATORS", "Integrator", "Kernel", "analytic", "ancestral", "euler_maruyama"]

INTEGRATORS: dict[IntegratorName, Integrator] = {
    "euler_maruyama": euler_maruyama,
    "ancestral": ancestral,
    "analytic": analytic,
}
