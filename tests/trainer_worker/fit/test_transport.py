from __future__ import annotations

import pytest
import torch
from torch import Tensor

from apa.errors import DataLoss
from apa.priors import Denoised
from apa.surrogates import LinearSurrogate
from tests.apa.surrogates.toys import ToyPrior, draw
from trainer_worker.fit import Transport, fit
from trainer_worker.fit.encode import LEVELS, NUM_DRAWS
from trainer_worker.fit.transport import fit_transport
from trainer_worker.observations import Observations


class PlainPrior(ToyPrior):
    """Features are x_t itself: with data N(0, I) every expectation is known."""

    def __init__(self) -> None:
        super().__init__(data_shape=(3,), feature_dim=3)

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        self.encoded += len(x_t)
        return Denoised(x_t, x_t)


PRIOR = PlainPrior()
TRANSPORT = fit_transport(PRIOR, draw(PRIOR, 4000), seed=0)


def _scale_at(level: float) -> float:
    return float(PRIOR.schedule.scale(PRIOR.schedule.time_of_log_snr(torch.tensor(level))))


def test_it_is_the_posterior_mean_where_that_is_linear() -> None:
    # x_0 ~ N(0, I) and a^2 + s^2 = 1 give E[x_0 | x_t] = a x_t.
    for level, found in zip(LEVELS[1:-1], TRANSPORT.maps, strict=True):
        expected = _scale_at(level) * torch.eye(3, dtype=torch.float64)
        torch.testing.assert_close(found, expected, atol=0.05, rtol=0.0)
    torch.testing.assert_close(
        TRANSPORT.offsets, torch.zeros(len(LEVELS) - 2, 3).double(), atol=0.05, rtol=0.0
    )


def test_the_potential_is_the_expected_reward_given_the_noised_item() -> None:
    x = draw(PRIOR, 100, seed=1)
    surrogate = fit("linear", PRIOR, Observations.scalar(x, 2.0 * x[:, 0] + 1.0), 0, transport=TRANSPORT)
    assert isinstance(surrogate, LinearSurrogate)
    x_t, level = draw(PRIOR, 50, seed=2), -2.0
    t = PRIOR.schedule.time_of_log_snr(torch.full((50,), level))
    value = surrogate.value(x_t, t, PRIOR.denoise(x_t, t))
    reward = surrogate.reward_mean + surrogate.reward_scale * value
    torch.testing.assert_close(reward, 1.0 + 2.0 * _scale_at(level) * x_t[:, 0], atol=0.25, rtol=0.0)


def test_a_fit_with_it_encodes_each_item_once() -> None:
    prior = PlainPrior()
    x = draw(prior, 7)
    fit("linear", prior, Observations.scalar(x, x[:, 0]), 0, transport=TRANSPORT)
    assert prior.encoded == 7
    fit("linear", prior, Observations.scalar(x, x[:, 0]), 0)
    assert prior.encoded == 7 + 7 * (1 + (len(LEVELS) - 2) * NUM_DRAWS)


def test_it_survives_the_round_trip() -> None:
    loaded = Transport.of_bytes(TRANSPORT.to_bytes(), PRIOR)
    assert loaded is not None
    torch.testing.assert_close(loaded.maps, TRANSPORT.maps, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(loaded.clean.scale, TRANSPORT.clean.scale, atol=1e-6, rtol=1e-5)


def test_one_of_another_prior_is_not_used() -> None:
    assert Transport.of_bytes(TRANSPORT.to_bytes(), ToyPrior(content_hash="other")) is None


@pytest.mark.parametrize("keep", [0, 20, -1])
def test_a_damaged_file_is_data_loss(keep: int) -> None:
    with pytest.raises(DataLoss, match="transport"):
        Transport.of_bytes(TRANSPORT.to_bytes()[:keep], PRIOR)
