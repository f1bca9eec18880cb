"""No slate shows what is masked, out of stock, deleted or seen, whatever the policy; none is too short."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.errors import InvalidArgument
from apa.priors.catalogue import Catalogue, Change, Item
from apa.records.sampling import SamplingConfig, SamplingOverrides
from apa.records.session import PolicyName, Session, SessionConfig
from apa.store.slates import Reservation
from sampler_service.calls import Job, SampleCall
from sampler_service.expecting import AtOnce
from sampler_service.masks import MAX_MASKED, Masks, check_maskable, masks_of
from sampler_service.population import Population
from sampler_service.showing import make_slate
from tests.apa.surrogates.toys import ToyPrior, random_surrogate

NUM_ITEMS, DIMS, N = 24, 3, 12
ITEM_IDS = [f"i{n}" for n in range(NUM_ITEMS)]
SOME = st.sets(st.sampled_from([*ITEM_IDS, "unknown"]), max_size=NUM_ITEMS)


def catalogue_of(seed: int, sold: set[str], deleted: set[str]) -> Catalogue:
    vectors = np.random.default_rng(seed).normal(size=(NUM_ITEMS, DIMS)).astype(np.float32)
    items = [Item(name, name, {}) for name in ITEM_IDS]
    in_stock = np.array([name not in sold for name in ITEM_IDS])
    return Catalogue(items, vectors).changed(Change(ITEM_IDS, items, vectors, in_stock, deleted))


def job_of(policy: PolicyName, k: int, masks: Masks, catalogue: Catalogue, learnt: bool) -> Job:
    config = SessionConfig(
        prior="toy", budget=80, particles_per_round=k, num_particles=N, policy=policy, surrogate="linear"
    )
    call = SampleCall("r", "s", "", 0, SamplingOverrides(), False, 0, "default", masks=masks)
    return Job(
        call=call,
        prior=ToyPrior((DIMS,)),
        session=Session(session_id="s", config=config, created_at=0.0),
        reservation=Reservation("s", "slate", k, 0),
        surrogate=random_surrogate(3) if learnt else None,
        version=None,
        config=SamplingConfig(),
        num_particles=N,
        catalogue=catalogue,
    )


def population_of(seed: int) -> Population:
    fields: dict[str, Any] = dict.fromkeys(Population.__dataclass_fields__, None)
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(N, DIMS, generator=generator)
    return Population(**fields | {"x": x, "log_weights": torch.zeros(N, dtype=torch.float64), "seed": seed})


@pytest.mark.parametrize("policy", get_args(PolicyName))
@settings(max_examples=25)
@given(
    excluded=SOME,
    only=SOME,
    sold=SOME,
    deleted=SOME,
    seen=SOME,
    k=st.integers(1, N),
    seed=st.integers(0, 99),
    learnt=st.booleans(),
)
def test_no_slate_shows_what_is_ruled_out_and_none_is_shorter_than_it_must_be(
    policy: PolicyName,
    excluded: set[str],
    only: set[str],
    sold: set[str],
    deleted: set[str],
    seen: set[str],
    k: int,
    seed: int,
    learnt: bool,
) -> None:
    masks = masks_of(sorted(excluded), sorted(only))
    job = job_of(policy, k, masks, catalogue_of(seed, sold, deleted), learnt)

    items = make_slate(job, population_of(seed), seen, 60.0, AtOnce()).slate.items

    allowed = set(ITEM_IDS) - excluded - sold - deleted - seen
    if only:
        allowed &= only
    shown = [item.item_id for item in items]
    assert len(set(shown)) == len(shown) == min(k, len(allowed))
    assert set(shown) <= allowed
    assert all(0.0 < item.propensity <= 1.0 for item in items)


def test_a_mask_is_an_argument_of_the_request_whatever_its_order() -> None:
    one, other = masks_of(["a", "b", "a"], []), masks_of(["b", "a"], [])
    assert one.arguments == other.arguments == {"exclude_item_ids": one.arguments["exclude_item_ids"]}
    different = [Masks(), one, masks_of(["a"], []), masks_of([], ["a"]), masks_of(["a"], ["a"])]
    assert len({str(masks.arguments) for masks in different}) == len(different)
    assert not Masks().arguments


@pytest.mark.parametrize(
    ("exclude", "only", "field"),
    [
        (["a"] * (MAX_MASKED + 1), [], "exclude_item_ids"),
        ([], ["a"] * (MAX_MASKED + 1), "only_item_ids"),
        (["a", ""], [], "exclude_item_ids.1"),
        ([], ["x" * 257], "only_item_ids.0"),
    ],
)
def test_lists_are_bounded(exclude: list[str], only: list[str], field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        masks_of(exclude, only)
    assert refused.value.field == field


@pytest.mark.parametrize(("masks", "field"), [(["a"], "exclude_item_ids"), ([], "only_item_ids")])
def test_what_shows_no_items_cannot_be_masked(masks: list[str], field: str) -> None:
    check_maskable(Masks(), None)
    with pytest.raises(InvalidArgument) as refused:
        check_maskable(masks_of(masks, ["b"]), None)
    assert refused.value.field == field
