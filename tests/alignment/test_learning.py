"""What a round teaches is what the service would have learnt and published."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from alignment import align
from alignment.algorithm_1 import algorithm_1, changed
from alignment.learning import Learner, joined
from alignment.respondent import Respondent
from apa.surrogates import load
from apa.surrogates.base import Surrogate
from tests.apa.priors.networks import small_unet_prior
from trainer_worker.fit import FeatureCache, fit
from trainer_worker.observations import Observations

PRIOR = small_unet_prior()


@pytest.mark.parametrize("refit_on", ["all", "round"])
def test_algorithm_1_updates_on_all_observations_or_on_the_rounds_own(
    refit_on: Literal["all", "round"],
) -> None:
    config = changed(
        algorithm_1("small", budget=16, num_particles=12, num_steps=3), {"refit_on": refit_on}, {}
    )
    respond = Respondent(lambda x: torch.sigmoid(x.flatten(1).mean(dim=1)), "scalar")

    first, second = align(PRIOR, respond, config, seed=5).rounds

    assert first.surrogate is not None
    assert second.surrogate is not None
    by_hand = (
        fit("cnn", PRIOR, joined([first.answers, second.answers]), 5)
        if refit_on == "all"
        else fit("cnn", PRIOR, second.answers, 5, previous=first.surrogate)
    )
    assert second.surrogate.to_bytes() == load(by_hand.to_bytes()).to_bytes()


def test_a_refit_that_got_worse_on_what_is_new_to_the_one_before_does_not_replace_it() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(24, *PRIOR.data_shape, generator=generator)
    rewards = x.flatten(1).mean(dim=1)
    config = changed(algorithm_1("small"), {"refit_on": "all"})
    current = fit("cnn", PRIOR, Observations.scalar(x, rewards), 0)
    nothing = Observations.scalar(x, rewards.mean().expand(len(x)))

    class Forgetful(Learner):
        """Knows the mean and nothing else: no worse than no fit, but than the one before."""

        def fitted(self, learnt: Observations, previous: Surrogate | None) -> Surrogate:
            return super().fitted(nothing, previous)

    rounds = [Observations.scalar(x[:16], rewards[:16]), Observations.scalar(x[16:], rewards[16:])]
    kept, learnt = (
        learner(PRIOR, config, 0, None, FeatureCache()).learn(rounds, current)
        for learner in (Forgetful, Learner)
    )

    assert kept is current
    assert learnt is not current
