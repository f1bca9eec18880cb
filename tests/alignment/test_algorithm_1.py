"""Algorithm 1 by name: what its listings print is what runs, in either reading of its drift."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from alignment import align
from alignment.algorithm_1 import Drift, algorithm_1, changed
from alignment.respondent import Respondent
from apa.errors import InvalidArgument
from apa.records.session import RefitOnName
from apa.surrogates import CnnSurrogate
from tests.apa.priors.networks import small_unet_prior

PRIOR = small_unet_prior()
_READINGS: tuple[RefitOnName, RefitOnName] = ("round", "all")


def _brightness(x: Tensor) -> Tensor:
    return torch.sigmoid(x.flatten(1).mean(dim=1))


@pytest.mark.parametrize("drift", ["with", "without"])
def test_a_round_is_what_the_listing_prints(drift: Drift) -> None:
    config = algorithm_1("small", budget=16, num_particles=12, drift=drift, num_steps=5)

    first, second = align(PRIOR, Respondent(_brightness, "scalar"), config).rounds

    assert isinstance(first.surrogate, CnnSurrogate)
    w = second.population.log_weights
    # Both clips as printed: w leaves 0 for 0.1 at once, and five steps add at most 0.1 each.
    assert bool(((w >= 0.1 - 1e-9) & (w <= 0.5 + 1e-9)).all())
    assert second.population.num_resamplings == 0
    assert second.population.clip_events > 0
    # epsilon = 0.8 - 0.7 * 1 / 2, so that floor(0.45 * 8) are drawn at random.
    reasons = [item.reason for item in second.slate.items]
    assert reasons == ["top"] * 5 + ["random"] * 3
    top = [item.population_index for item in second.slate.items[:5]]
    assert sorted(w[top].tolist()) == pytest.approx(sorted(w.tolist())[-5:])


def test_the_two_readings_of_the_drift_differ_and_share_everything_else() -> None:
    readings: tuple[Drift, Drift] = ("with", "without")
    histories = [
        align(
            PRIOR,
            Respondent(_brightness, "scalar"),
            algorithm_1("small", budget=16, num_particles=12, drift=drift, num_steps=5),
        )
        for drift in readings
    ]

    assert torch.equal(histories[0].rounds[0].x, histories[1].rounds[0].x)
    assert not torch.equal(histories[0].rounds[1].x, histories[1].rounds[1].x)


def test_a_part_of_it_is_replaced_by_name() -> None:
    config = changed(algorithm_1("small"), {"policy": "ucb", "surrogate": None}, {"corrector": "fkc"})

    assert (config.policy, config.surrogate) == ("ucb", "cnn")
    assert (config.sampling.corrector, config.sampling.integrator) == ("fkc", "euler_maruyama")


def test_what_no_config_has_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="policy"):
        changed(algorithm_1("small"), {"policy": "best"})


def test_as_printed_the_network_goes_on_with_the_round_and_in_the_other_reading_it_learns_from_all() -> None:
    printed, other = (
        align(
            PRIOR,
            Respondent(_brightness, "scalar"),
            algorithm_1("small", budget=16, num_particles=12, refit_on=on, num_steps=5),
        ).rounds
        for on in _READINGS
    )

    assert torch.equal(printed[1].x, other[1].x)
    after = [rounds[1].surrogate for rounds in (printed, other)]
    first = printed[0].surrogate
    assert isinstance(first, CnnSurrogate)
    assert all(isinstance(surrogate, CnnSurrogate) for surrogate in after)
    # Going on keeps the units of the first answers; learning from all takes those of all.
    assert [surrogate.reward_mean == first.reward_mean for surrogate in after] == [True, False]  # type: ignore[union-attr]
