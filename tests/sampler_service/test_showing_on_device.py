"""Predictions of a slate: on the engine's thread, a batch at a time, the same as at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from apa.priors import Denoised
from apa.surrogates.base import Surrogate
from sampler_service.potential import SurrogatePotential
from sampler_service.preview import preview_of
from sampler_service.routes.outlook import reward_of
from sampler_service.scheduler import Limits
from sampler_service.service_loop import EngineThread
from sampler_service.showing_on_device import OnDevice
from tests.apa.surrogates.toys import ToyPrior, draw, random_gp, random_mlp, random_surrogate

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


class Watched(ToyPrior):
    """Notes where and on how many rows it computes."""

    def __init__(self) -> None:
        super().__init__()
        self.batches: list[int] = []
        self.threads: set[str] = set()

    def denoise(self, x_t: Tensor, t: Tensor) -> Denoised:
        self.batches.append(len(x_t))
        self.threads.add(threading.current_thread().name)
        return super().denoise(x_t, t)


@pytest.fixture(params=DEVICES)
def engine(request: pytest.FixtureRequest) -> Iterator[EngineThread]:
    thread = EngineThread(Limits(max_batch_particles=10), device=request.param)
    thread.start()
    yield thread
    thread.stop()


def test_a_prediction_is_computed_by_the_engines_thread_in_bounded_batches(engine: EngineThread) -> None:
    prior, surrogate = Watched(), random_surrogate(0)
    x = draw(prior, 25)

    prediction = OnDevice(engine).predict(prior, surrogate.to(engine.device), x)

    assert (prior.batches, prior.threads) == ([10, 10, 5], {"engine"})
    whole = surrogate.predict(ToyPrior(), x)
    assert prediction.mean.device.type == "cpu"
    torch.testing.assert_close(prediction.mean, whole.mean)
    torch.testing.assert_close(prediction.std, whole.std)


@pytest.mark.parametrize("count", [1, 10, 11, 27])
def test_a_joint_prediction_is_computed_in_bounded_batches_too(engine: EngineThread, count: int) -> None:
    prior, surrogate = Watched(), random_surrogate(0)
    x = draw(prior, count)

    joint = OnDevice(engine).joint(prior, surrogate.to(engine.device), x)

    assert max(prior.batches) <= 10
    assert prior.threads == {"engine"}
    whole = surrogate.joint(ToyPrior(), x)
    assert joint.covariance.device.type == "cpu"
    torch.testing.assert_close(joint.mean, whole.mean, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(joint.covariance, whole.covariance, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "surrogate",
    [random_surrogate(4), random_gp(4), random_gp(4, "item")],
    ids=["linear", "gp", "gp on items"],
)
def test_the_reward_of_items_needs_no_denoiser_once_their_features_are_known(
    engine: EngineThread, surrogate: Surrogate
) -> None:
    x = draw(ToyPrior(), 25)
    level = surrogate.feature_level
    features = None if level is None else OnDevice(engine).features(ToyPrior(), level, x)

    latent = OnDevice(engine).latent(surrogate.to(engine.device), x, features)

    assert latent is not None
    joint = surrogate.joint(ToyPrior(), x)
    torch.testing.assert_close(latent.mean, joint.mean, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(latent.std, joint.covariance.diagonal().sqrt(), rtol=1e-3, atol=1e-3)
    expected = surrogate.predict(ToyPrior(), x)
    for found, wanted in zip(surrogate.in_users_units(latent), expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    if features is not None:
        known = OnDevice(engine).joint_features(surrogate.to(engine.device), features)
        assert known is not None
        torch.testing.assert_close(known.covariance, joint.covariance, rtol=1e-4, atol=1e-5)


def test_a_surrogate_that_reads_the_denoised_estimate_asks_the_denoiser_in_bounded_batches(
    engine: EngineThread,
) -> None:
    prior, surrogate = Watched(), random_mlp()
    x = draw(prior, 25)
    assert OnDevice(engine).latent(surrogate.to(engine.device), x, None) is None

    potential = SurrogatePotential(surrogate.to(engine.device))
    reward = OnDevice(engine).rewards_denoised(prior, potential, x, 0.001)

    assert (prior.batches, prior.threads) == ([10, 10, 5], {"engine"})
    whole = reward_of(ToyPrior(), SurrogatePotential(surrogate), x, 0.001)
    torch.testing.assert_close(reward, whole, rtol=1e-4, atol=1e-5)


def test_a_preview_comes_to_the_host_as_it_is(engine: EngineThread) -> None:
    x_0_hat = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    made = preview_of(x_0_hat.to(engine.device), torch.arange(9.0, device=engine.device).double(), 3)

    preview = OnDevice(engine).preview_on_host(made)

    assert preview.rows.tolist() == [8, 7, 6]
    assert torch.equal(preview.x_0_hat, x_0_hat[[8, 7, 6]])
    assert preview.log_weights.device.type == "cpu"
