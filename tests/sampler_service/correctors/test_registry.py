"""Which corrector goes with which integrator."""

from __future__ import annotations

import pytest

from apa.errors import InvalidArgument
from sampler_service.correctors import CORRECTORS, corrector_for


def test_an_incompatible_pair_is_refused_and_both_are_named() -> None:
    with pytest.raises(InvalidArgument, match=r"'clipped'.*'ancestral'") as caught:
        corrector_for("clipped", "ancestral")

    assert caught.value.field == "sampling.integrator"


@pytest.mark.parametrize("name", CORRECTORS)
def test_every_corrector_works_with_the_default_integrator(name: str) -> None:
    assert corrector_for(name, "euler_maruyama") is CORRECTORS[name]  # type: ignore[arg-type, index]
