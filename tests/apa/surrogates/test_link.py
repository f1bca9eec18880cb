from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from scipy.integrate import quad

from apa.surrogates import load
from apa.surrogates.link import logistic_moments
from tests.apa.surrogates.toys import ToyPrior, draw, random_surrogate


@pytest.mark.parametrize("std", [1e-6, 0.5, 3.0, 12.0])
@pytest.mark.parametrize("mean", [-4.0, 0.0, 1.5])
def test_the_moments_are_the_integrals(mean: float, std: float) -> None:
    def moment(power: int) -> float:
        def density(z: float) -> float:
            p = 1.0 / (1.0 + math.exp(-(mean + std * z)))
            return p**power * math.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)

        return float(quad(density, -9, 9, points=[0.0, max(-9.0, min(9.0, -mean / std))])[0])

    found = logistic_moments(torch.tensor([mean]).double(), torch.tensor([std]).double())
    expected = math.sqrt(max(moment(2) - moment(1) ** 2, 0.0))
    assert float(found.mean) == pytest.approx(moment(1), abs=2e-3)
    assert float(found.std) == pytest.approx(expected, abs=2e-3)


def test_a_narrow_posterior_needs_few_points(monkeypatch: pytest.MonkeyPatch) -> None:
    mean, std = torch.linspace(-6.0, 6.0, 50).double(), torch.linspace(0.01, 2.5, 50).double()
    found = logistic_moments(mean, std)
    monkeypatch.setattr("apa.surrogates.link._LEAST", 97)
    finer = logistic_moments(mean, std)

    for few, many in zip(found, finer, strict=True):
        torch.testing.assert_close(few, many, rtol=0.0, atol=1e-8)


def test_a_logistic_surrogate_predicts_probabilities_and_is_not_more_certain_than_its_latents() -> None:
    prior = ToyPrior()
    surrogate = replace(random_surrogate(0), reward_mean=-1.0, reward_scale=3.0, link="logistic")
    x = draw(prior, 50)
    prediction, joint = surrogate.predict(prior, x), surrogate.joint(prior, x)
    latent = -1.0 + 3.0 * joint.mean
    assert bool(((prediction.mean > 0) & (prediction.mean < 1) & (prediction.std <= 0.5)).all())
    # Uncertainty pulls a probability towards one half.
    assert bool(((prediction.mean - 0.5).abs() <= (torch.sigmoid(latent) - 0.5).abs() + 1e-6).all())


def test_the_link_survives_the_round_trip_and_an_artifact_without_one_is_an_identity() -> None:
    plain = random_surrogate(0)
    logistic = replace(plain, link="logistic")
    assert load(logistic.to_bytes()).link == "logistic"
    assert load(plain.to_bytes()).link == "identity"
    # As releases before links wrote it, and as they can read it.
    assert b"link" not in plain.to_bytes()
