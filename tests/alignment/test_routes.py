"""The loop by routes: named ones are obeyed, no stored draw is shown twice, a choice says why."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from alignment import History, align
from alignment.respondent import Respondent
from alignment.routes import ByRoute, DrawnPools
from apa.records.sampling import SamplingConfig, SamplingOverrides
from apa.records.session import SessionConfig
from sampler_service.drawing import drawn
from tests.apa.priors.networks import small_mlp_prior

PRIOR = small_mlp_prior()
STEPS = SamplingConfig(num_steps=4, integrator="ancestral", corrector="twisted", t_start=0.8)


@pytest.fixture(scope="module")
def pools() -> DrawnPools:
    return DrawnPools(drawn(PRIOR, STEPS, 128))


def _aligned(draw: ByRoute, route: str, **changes: Any) -> History:
    given = {"surrogate": "linear", "budget": 40, "particles_per_round": 8, "num_particles": 16, **changes}
    sampling = SamplingOverrides.model_validate({"num_steps": 4, "beta": 0.5, "route": route})
    config = SessionConfig(prior="small", sampling=sampling, **given)
    return align(PRIOR, Respondent(_taste, "scalar"), config, draw=draw)


def _taste(x: Tensor) -> Tensor:
    return torch.sigmoid(x[:, 0])


def test_ranked_rounds_show_stored_draws_and_none_twice(pools: DrawnPools) -> None:
    draw = ByRoute(pools)
    history = _aligned(draw, "rank")
    assert [choice.name for choice, _ in draw.taken] == ["steer", "rank", "rank", "rank", "rank"]

    items = [item for each in history.rounds[1:] for item in each.slate.items]
    names = [item.stored_draw for item in items]
    assert None not in names
    assert len(set(names)) == len(names) == 32
    held = pools.get(PRIOR)
    rows = [held.rows[str(name)] for name in names]
    shown = torch.cat([each.x for each in history.rounds[1:]])
    assert torch.equal(shown, held.draws.x[rows])


def test_a_start_at_stored_draws_takes_fewer_evaluations_than_one_in_noise(pools: DrawnPools) -> None:
    costs = {}
    for route in ("pool_start", "steer"):
        draw = ByRoute(pools)
        _aligned(draw, route, budget=16)
        assert draw.taken[-1][0].name == route
        costs[route] = draw.taken[-1][1]
    assert 0 < costs["pool_start"] < costs["steer"]


def test_a_choice_says_why_and_is_the_same_for_the_same_seed(pools: DrawnPools) -> None:
    first, again = ByRoute(pools), ByRoute(pools)
    one, other = _aligned(first, "auto"), _aligned(again, "auto")
    assert first.taken == again.taken
    assert "nothing is learnt yet" in first.taken[0][0].reason
    assert "stored draws" in first.taken[1][0].reason
    for this, that in zip(one.rounds, other.rounds, strict=True):
        assert torch.equal(this.x, that.x)
