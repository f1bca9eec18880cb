"""What is compared: our best for closed forms, its parts taken away, and the peers."""

from __future__ import annotations

from apa.records.sampling import SamplingConfig

METHODS: dict[str, SamplingConfig] = {
    "twisted tempered": SamplingConfig(
        corrector="twisted", integrator="analytic", grid="logistic", beta_schedule="constant"
    ),
    "twisted analytic": SamplingConfig(corrector="twisted", integrator="analytic"),
    "twisted ancestral": SamplingConfig(corrector="twisted", integrator="ancestral"),
    "fkc analytic": SamplingConfig(corrector="fkc", integrator="analytic"),
    "fkc euler": SamplingConfig(corrector="fkc", integrator="euler_maruyama"),
    "guidance": SamplingConfig(corrector="guidance", integrator="ancestral"),
    "clipped": SamplingConfig(corrector="clipped", integrator="euler_maruyama"),
}
"""`twisted tempered` reads the reward as sampler_service/tempering.py does, `twisted ancestral` is what TDS
(Wu et al. 2023) computes, `guidance` has no weights, `clipped` is the listing of the paper."""
OURS = "twisted tempered"
