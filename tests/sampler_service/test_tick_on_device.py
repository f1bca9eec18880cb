"""A tick asks its device once: whatever else would make the host wait for a GPU fails here.

`meta`, whose tensors have a shape and no numbers, stands in for one. To read a number of it raises, and so
does to mix it with the host's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from apa.errors import ApaError
from apa.prior_folders import list_priors
from apa.priors.base import Prior
from apa.priors.folder import load_prior
from apa.records.sampling import CorrectorName, SamplingConfig
from apa.surrogates import Surrogate
from sampler_service.correctors import CORRECTORS
from sampler_service.engine import Outcome, Progress, tick
from sampler_service.potential import RewardPotential, SurrogatePotential
from sampler_service.resampling import SCHEMES
from sampler_service.run import Run, plan_run, start_run
from tests.apa.surrogates.toys import ToyPrior, random_cnn, random_gp, random_mlp, random_surrogate

Reads = list[tuple[int, ...]]
DEVICE = torch.device("meta")
NUM_PARTICLES = 7
HALF_LOST = [0.5, 0.0, 1.0]
"""A summary whose ESS asks for a resampling, and whose numbers are finite."""
VECTORS: tuple[Surrogate, ...] = (
    random_surrogate(0),
    random_surrogate(1),
    random_gp(0, "item"),
    random_gp(0, "features"),
    random_mlp(),
)


class _HostGenerator(torch.Generator):
    """A device without numbers has no generator."""

    def __new__(cls, device: torch.device | None = None) -> _HostGenerator:
        del device
        return super().__new__(cls)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Reads:
    """The shapes of what was read of the device, all of it answered by HALF_LOST."""
    shapes: Reads = []
    of_host = Tensor.tolist

    def tolist(tensor: Tensor) -> object:
        if tensor.device != DEVICE:
            return of_host(tensor)
        shapes.append(tuple(tensor.shape))
        return [HALF_LOST] * len(tensor)

    monkeypatch.setattr(torch, "Generator", _HostGenerator)
    monkeypatch.setattr(Tensor, "tolist", tolist)
    return shapes


def _configs() -> list[SamplingConfig]:
    """Each corrector, integrator and scheme of resampling, and an active interval."""
    base = SamplingConfig(num_steps=5, beta=2.0, corrector="fkc", integrator="ancestral")
    euler: list[CorrectorName] = [name for name in CORRECTORS if name != "twisted"]
    return [
        *(base.model_copy(update={"corrector": name, "integrator": "euler_maruyama"}) for name in euler),
        *(base.model_copy(update={"resampling": name}) for name in SCHEMES),
        base.model_copy(update={"corrector": "twisted"}),
        base.model_copy(update={"active_interval": (0.2, 0.8)}),
    ]


def _runs(prior: Prior, on_device: Prior, surrogate: Surrogate) -> list[Run]:
    """Planned on the host, as every run is, and begun on the device."""
    runs, moved = [], surrogate.to(DEVICE)
    for seed, config in enumerate(_configs()):
        plan = plan_run(prior, SurrogatePotential(surrogate), config, NUM_PARTICLES)
        potential = None if plan.potential is None else SurrogatePotential(moved)
        runs.append(start_run(replace(plan, prior=on_device, potential=potential), DEVICE, seed))
    return runs


def _steps(runs: Sequence[Run]) -> list[list[Outcome]]:
    """Of every tick but the last, at which runs end and are handed over."""
    return [tick(runs) for _ in range(5)]


def _check(steps: Sequence[Sequence[Outcome]], reads: Sequence[tuple[int, ...]]) -> None:
    assert list(reads) == [(len(outcomes), 3) for outcomes in steps]
    outcomes = [outcome for outcomes in steps for outcome in outcomes]
    assert [outcome for outcome in outcomes if not isinstance(outcome, Progress)] == []
    assert any(isinstance(outcome, Progress) and outcome.resampled for outcome in outcomes)


def test_runs_of_every_family_method_and_scheme_share_one_read_of_the_device(reads: Reads) -> None:
    prior = ToyPrior()
    runs = [run for surrogate in VECTORS for run in _runs(prior, prior, surrogate)]

    _check(_steps(runs), reads)


def test_runs_that_images_steer_share_one_read_of_the_device(reads: Reads) -> None:
    prior = ToyPrior((1, 8, 8))

    _check(_steps(_runs(prior, prior, random_cnn())), reads)


@pytest.mark.parametrize("name", ["films", "fashion"])
def test_so_do_runs_of_the_shipped_priors(name: str, reads: Reads) -> None:
    folder = list_priors()[name]
    prior = load_prior(folder)
    dim = prior.card.feature_dim
    surrogate = replace(random_surrogate(0, dim=dim), prior_hash=prior.content_hash)

    _check(_steps(_runs(prior, load_prior(folder, DEVICE), surrogate)), reads)


@pytest.mark.parametrize("asks", [lambda x: float(x.sum()), lambda x: (x > 0).nonzero(), lambda x: x.cpu()])
def test_a_reward_that_makes_the_host_wait_is_found(asks: Callable[[Tensor], object], reads: Reads) -> None:
    def reward(x: Tensor) -> Tensor:
        asks(x.detach())
        return x.sum(dim=1)

    plan = plan_run(ToyPrior(), RewardPotential(reward), SamplingConfig(num_steps=5), NUM_PARTICLES)
    (outcome,) = tick([start_run(plan, DEVICE, 0)])

    assert isinstance(outcome, ApaError)
    assert reads == []
