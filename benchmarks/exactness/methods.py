"""What is compared: our best for closed forms, its parts taken away, and the peers."""

from __future__ import annotations

from typing import NamedTuple

from apa.records.sampling import SamplingConfig


class Method(NamedTuple):
    """How a run is configured, and whether its reward is read by sampler_service/tempering.py."""

    config: SamplingConfig
    tempered: bool = False


METHODS: dict[str, Method] = {
    "twisted tempered": Method(
        SamplingConfig(corrector="twisted", integrator="analytic", grid="logistic", beta_schedule="constant"),
        tempered=True,
    ),
    "twisted analytic": Method(SamplingConfig(corrector="twisted", integrator="analytic")),
    "twisted ancestral": Method(SamplingConfig(corrector="twisted", integrator="ancestral")),
    "fkc analytic": Method(SamplingConfig(corrector="fkc", integrator="analytic")),
    "fkc euler": Method(SamplingConfig(corrector="fkc", integrator="euler_maruyama")),
    "guidance": Method(SamplingConfig(corrector="guidance", integrator="ancestral")),
    "clipped": Method(SamplingConfig(corrector="clipped", integrator="euler_maruyama")),
}
"""`twisted tempered` reads the reward as sampler_service/tempering.py does, `twisted ancestral` is what TDS
(Wu et al. 2023) computes, `guidance` has no weights, `clipped` is the listing of the paper."""
OURS = "twisted tempered"
