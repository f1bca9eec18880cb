"""The sampler's settings: what they bound, and what they refuse."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sampler_service.__main__ import _limits
from sampler_service.config import SamplerSettings


@pytest.mark.parametrize("max_batch_particles", [1, 64, 4096])
def test_a_run_of_the_largest_size_is_admitted_whatever_bounds_a_batch(max_batch_particles: int) -> None:
    settings = SamplerSettings(max_batch_particles=max_batch_particles)

    limits = _limits(settings, "cpu")

    assert limits.max_particles >= settings.max_particles
    assert limits.max_batch_particles == max_batch_particles


def test_a_default_over_its_own_limit_is_refused() -> None:
    with pytest.raises(ValidationError, match="num_particles must be at most max_particles"):
        SamplerSettings(max_particles=16)


def test_a_path_that_would_begin_where_it_ends_stops_the_start() -> None:
    with pytest.raises(ValidationError, match="t_start must be above"):
        SamplerSettings(t_start=0.001)


def test_a_service_chooses_or_steers_and_leaves_a_route_of_its_own_to_those_who_can_wait_for_it() -> None:
    assert SamplerSettings().sampling().route == "auto"
    assert SamplerSettings(route="steer").sampling().route == "steer"
    with pytest.raises(ValidationError, match="route"):
        SamplerSettings.model_validate({"route": "rank"})
