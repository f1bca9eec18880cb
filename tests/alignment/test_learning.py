from __future__ import annotations

from typing import Literal

import pytest
import torch

from alignment import align
from alignment.algorithm_1 import algorithm_1, changed
from alignment.learning import joined
from alignment.respondent import Respondent
from apa.surrogates import load
from tests.apa.priors.networks import small_unet_prior
from trainer_worker.fit import fit

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
