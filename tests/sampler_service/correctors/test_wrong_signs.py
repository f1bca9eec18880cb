"""A wrong sign in any one term must fail: each is flipped in turn, and the gate that they all pass trips."""

from __future__ import annotations

import pytest

from apa.records.sampling import SamplingConfig
from sampler_service.correctors.fkc import Fkc, Signs
from sampler_service.correctors.twisted import Twisted
from sampler_service.potential import DenoisedRewardPotential
from tests.sampler_service.problems import MILD, Figures, measure, three_modes

POTENTIAL = DenoisedRewardPotential(MILD)
"""It depends on t, so that every term has something to do."""


def _measure(corrector: Fkc | Twisted) -> Figures:
    config = SamplingConfig(num_steps=50, corrector="fkc" if isinstance(corrector, Fkc) else "twisted")
    return measure(three_modes(), MILD, config, potential=POTENTIAL, corrector=corrector)


def test_with_the_right_signs_the_gate_passes() -> None:
    assert _measure(Fkc()).passes
    assert _measure(Twisted()).passes


@pytest.mark.parametrize("term", Signs._fields)
@pytest.mark.parametrize("factor", [-1.0, 0.0])
def test_fkc_with_one_term_flipped_or_left_out_trips_the_gate(term: str, factor: float) -> None:
    assert not _measure(Fkc(Signs()._replace(**{term: factor}))).passes


@pytest.mark.parametrize("term", [0, 1, 2])
@pytest.mark.parametrize("factor", [-1.0, 0.0])
def test_twisted_with_one_term_flipped_or_left_out_trips_the_gate(term: int, factor: float) -> None:
    signs = (factor if term == 0 else 1.0, factor if term == 1 else 1.0, factor if term == 2 else 1.0)

    assert not _measure(Twisted(signs)).passes
