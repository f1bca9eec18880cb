"""What a population becomes: distinct items that this session has not seen, close to the particles."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from apa.priors.catalogue import Catalogue, Item
from apa.surrogates.base import Prediction
from sampler_service.calls import Job
from sampler_service.masks import Masks
from sampler_service.population import Population
from sampler_service.selection import Round
from sampler_service.showable import NEARBY, SHORT_LIST, Pool, pool_of, short_list


class FakeJob:
    """What of a job the pool depends on."""

    def __init__(self, num_items: int, num_shown: int) -> None:
        vectors = np.arange(num_items, dtype=np.float32)[:, None]
        items = [Item(f"i{i}", f"Item {i}", {}) for i in range(num_items)]
        self.catalogue = Catalogue(items, vectors)
        self.num_shown = num_shown
        self.call = SimpleNamespace(masks=Masks())


def a_population(*positions: float) -> Population:
    x = torch.tensor(positions)[:, None]
    fields: dict[str, Any] = dict.fromkeys(Population.__dataclass_fields__, None)
    return Population(**fields | {"x": x})


def pool(
    num_items: int, num_shown: int, positions: list[float], seen: set[str], looks_around: bool = False
) -> list[str]:
    job = cast(Job, FakeJob(num_items, num_shown))
    found = pool_of(job, a_population(*positions), seen, looks_around)
    assert found.item_ids is not None
    assert len(found.rows) == len(found.x) == len(found.item_ids)
    return list(found.item_ids)


def test_particles_on_one_item_do_not_reach_for_distant_ones() -> None:
    assert sorted(pool(50, 2, [3.0, 3.1, 2.9, 7.0, 7.1], set())) == ["i3", "i7"]


def test_a_slate_that_would_be_too_short_is_filled_with_the_nearest_items_left() -> None:
    assert sorted(pool(50, 3, [3.0, 3.1, 3.2], set())) == ["i2", "i3", "i4"]


def test_no_item_is_shown_twice_in_a_session() -> None:
    assert set(pool(50, 2, [3.0, 3.1, 9.0], {"i3", "gone"})) & {"i3"} == set()


@pytest.mark.parametrize("looks_around", [False, True])
@pytest.mark.parametrize("num_items", [0, 1, 3])
def test_a_catalogue_that_runs_out_gives_what_is_left(num_items: int, looks_around: bool) -> None:
    seen = {f"i{i}" for i in range(3 - num_items)}
    assert len(pool(3, 3, [0.0, 1.0, 2.0], seen, looks_around)) == num_items


def test_to_look_around_is_to_choose_from_the_items_around_the_particles_too() -> None:
    left, right = NEARBY, 5 * NEARBY
    found = pool(10 * NEARBY, 2, [float(left), float(right)], {f"i{left + 1}"}, looks_around=True)

    reach = NEARBY // 4
    around = {*range(left - reach, left + reach), *range(right - reach, right + reach)} - {left + 1}
    positions = {int(item_id[1:]) for item_id in found}
    assert len(positions) == NEARBY
    assert around <= positions
    # Both reach as far, but for the one that was seen.
    assert positions <= {
        *range(left - reach - 2, left + reach + 2),
        *range(right - reach - 2, right + reach + 2),
    }


def test_to_look_around_leaves_no_particle_s_own_item_out() -> None:
    places = [float(place) for place in range(0, 4 * NEARBY, 2)]

    assert {f"i{place:.0f}" for place in places} <= set(
        pool(10 * NEARBY, 2, places, set(), looks_around=True)
    )


def test_a_short_list_keeps_what_has_the_highest_bounds_in_their_order() -> None:
    size = 2 * SHORT_LIST
    mean, std = torch.arange(size).double() % 7, torch.ones(size).double()
    std[3] = 100.0
    found = Pool(torch.arange(size), torch.arange(size)[:, None], [f"i{i}" for i in range(size)])

    short, prediction = short_list(found, Prediction(mean, std), Round(5, 10))

    places = short.rows.tolist()
    assert len(short) == SHORT_LIST
    assert places == sorted(places)
    assert 3 in places
    assert float(prediction.mean.min()) == 3.0
    assert short.item_ids == [f"i{place}" for place in places]
    assert prediction.mean.tolist() == [mean[place] for place in places]
    assert short_list(short, prediction, Round(5, 10))[0] is short
