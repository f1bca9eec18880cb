"""A session whose network goes on training on each round's answers, as Algorithm 1 prints it."""

from __future__ import annotations

from typing import Literal

import pytest

from apa.priors import save_prior
from apa.surrogates import Surrogate, load
from tests.apa.priors.networks import small_unet_prior
from tests.trainer_worker.world import TrainerWorld
from trainer_worker.dataset import dataset
from trainer_worker.fit import fit
from trainer_worker.observations import Observations
from trainer_worker.refit import _seed_of

PRIOR = small_unet_prior()


@pytest.fixture
def pictures(world: TrainerWorld) -> TrainerWorld:
    save_prior(PRIOR, world.priors / "small")
    world.data_shape = PRIOR.data_shape
    return world


def _current(world: TrainerWorld) -> Surrogate:
    current = world.stores.surrogates.current("s1")
    assert current is not None
    return load(world.stores.surrogates.blob("s1", current.version), current.version)


def _observed(world: TrainerWorld, answered: list[str]) -> Observations:
    config = world.stores.sessions.get("s1").config
    events = world.stores.ledger.log("s1")
    answers = [e.feedback for e in events if e.feedback.answer.particle_ids[0] in answered]
    particles = world.stores.slates.particles("s1", answered)
    return dataset(answers, particles, PRIOR.data_shape, config)


@pytest.mark.parametrize("refit_on", ["all", "round"])
def test_a_refit_learns_from_all_answers_or_goes_on_with_the_new_ones(
    pictures: TrainerWorld, refit_on: Literal["all", "round"]
) -> None:
    pictures.session(prior="small", surrogate="cnn", refit_on=refit_on)
    old = pictures.answer(count=8)
    pictures.refit()
    before = _current(pictures)
    new = pictures.answer(count=6)
    pictures.refit()

    seed = _seed_of("s1")
    expected = (
        fit("cnn", PRIOR, _observed(pictures, old + new), seed)
        if refit_on == "all"
        else fit("cnn", PRIOR, _observed(pictures, new), seed, previous=before)
    )
    assert _current(pictures).to_bytes() == expected.to_bytes()
    assert pictures.trained_events() == 14
    assert pictures.due() == []


def test_a_damaged_network_begins_anew_on_all_answers(pictures: TrainerWorld) -> None:
    pictures.session(prior="small", surrogate="cnn", refit_on="round")
    old = pictures.answer(count=8)
    pictures.refit()
    pictures.damage("s1")
    new = pictures.answer(count=6)
    pictures.refit()

    expected = fit("cnn", PRIOR, _observed(pictures, old + new), _seed_of("s1"))
    assert _current(pictures).to_bytes() == expected.to_bytes()
