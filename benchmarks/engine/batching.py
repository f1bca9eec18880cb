"""One batch for many users: the same particles, and what it costs beside the bare networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apa.priors import Denoised, Prior
from apa.surrogates import LinearSurrogate, values_of
from apa.surrogates.cnn import RewardNetwork
from apa.surrogates.stacked_networks import frozen, outputs_of
from benchmarks.engine.users import engine, prior, runs, submit, users
from benchmarks.report import Row, Scale, ratios, row
from sampler_service.engine import tick
from sampler_service.population import Population
from sampler_service.potential import SurrogatePotential
from sampler_service.run import Run

USERS = 64


def measure(scale: Scale) -> list[Row]:
    films = prior("films")
    surrogates = users(films, USERS)
    repeats = scale.pick(15, 3)
    return [
        *_alone_and_beside(films, surrogates[:32]),
        _own_against_one(films, surrogates, repeats),
        *_stacked(films, surrogates, repeats),
        _against_bare(films, surrogates[:8], scale),
    ]


def _alone_and_beside(films: Prior, surrogates: list[LinearSurrogate]) -> list[Row]:
    # A beta at which every run resamples: without, the ancestors would be the same whatever happened.
    together = _to_the_end(runs(films, surrogates, 16, 25, beta=20.0))
    alone = [_to_the_end([run])[0] for run in runs(films, surrogates, 16, 25, beta=20.0)]
    assert all(population.num_resamplings for population in together)
    apart = [float((a.x - b.x).abs().max()) for a, b in zip(alone, together, strict=True)]
    same = [float(torch.equal(a.ancestors, b.ancestors)) for a, b in zip(alone, together, strict=True)]
    return [
        row("largest difference of a particle, alone and beside 31 others", [max(apart)], 1e-3, "most"),
        row("share of those runs with the same ancestors", [sum(same) / len(same)], 1.0),
    ]


def _own_against_one(films: Prior, surrogates: list[LinearSurrogate], repeats: int) -> Row:
    own, one = runs(films, surrogates, 4), runs(films, surrogates[:1] * USERS, 4)
    found = ratios(lambda: tick(one), lambda: tick(own), repeats, times=4)
    return row("64 users against 64 runs of one, particles per second", found, 0.85, note="256 particles")


def _stacked(films: Prior, surrogates: list[LinearSurrogate], repeats: int) -> list[Row]:
    sizes = [4] * USERS
    t, features = torch.full((4 * USERS,), 0.5), torch.randn(4 * USERS, films.feature_dim)

    def heads_together() -> None:
        own = features.detach().requires_grad_()
        _gradient(values_of(surrogates, own, t, Denoised(own, own), sizes), own)

    def heads_apart() -> None:
        for surrogate, part, part_t in zip(
            surrogates, torch.split(features, 4), torch.split(t, 4), strict=True
        ):
            own = part.detach().requires_grad_()
            _gradient(surrogate.value(own, part_t, Denoised(own, own)), own)

    def together(networks: list[nn.Module], x: Tensor) -> None:
        own = x.detach().requires_grad_()
        _gradient(outputs_of(networks, own, [len(x) // USERS] * USERS), own)

    def apart(networks: list[nn.Module], x: Tensor) -> None:
        for network, part in zip(networks, torch.split(x, len(x) // USERS), strict=True):
            own = part.detach().requires_grad_()
            _gradient(network(own), own)

    mlps, vectors = [_mlp() for _ in range(USERS)], torch.randn(4 * USERS, 48)
    cnns: list[nn.Module] = [frozen(RewardNetwork(1)) for _ in range(USERS)]
    images = torch.randn(USERS, 1, 28, 28)
    batch, alone = runs(films, surrogates, 4), runs(films, surrogates, 4)
    heads = ratios(heads_apart, heads_together, repeats, times=3)
    perceptrons = ratios(lambda: apart(mlps, vectors), lambda: together(mlps, vectors), repeats, times=3)
    convolutional = ratios(lambda: apart(cnns, images), lambda: together(cnns, images), repeats)
    steps = ratios(lambda: [tick([run]) for run in alone], lambda: tick(batch), repeats)
    first = "64 users stacked against one after the other, linear heads"
    return [
        row(first, heads, 8.0, note="4 particles each, value and gradient"),
        row("the same, MLPs", perceptrons, 8.0),
        row("the same, CNNs", convolutional, 1.0, note="one image each, a full batch of a CPU"),
        row("the same, whole steps of films", steps, 8.0, note="denoiser and corrector included"),
    ]


def _against_bare(films: Prior, surrogates: list[LinearSurrogate], scale: Scale) -> Row:
    num_steps = scale.pick(20, 8)

    def bare() -> None:
        x, t = torch.randn(32 * len(surrogates), *films.data_shape), torch.full((32 * len(surrogates),), 0.5)
        for _ in range(num_steps + 1):
            own = x.detach().requires_grad_()
            _gradient(values_of(surrogates, own, t, films.denoise(own, t), [32] * len(surrogates)), own)

    with engine() as thread:

        def served() -> None:
            watched = [submit(thread, films, SurrogatePotential(s), 32, num_steps) for s in surrogates]
            for one in watched:
                one.wait()

        found = ratios(bare, served, scale.pick(9, 2))
    return row("engine against denoiser and surrogates called bare", found, 0.85, note="8 runs of 32")


def _gradient(values: Tensor, x: Tensor) -> None:
    torch.autograd.grad(values, x, torch.ones_like(values))


def _mlp() -> nn.Module:
    network = nn.Sequential(nn.Linear(48, 64), nn.SiLU(), nn.Linear(64, 1), nn.Flatten(0))
    return network.eval().requires_grad_(False)


def _to_the_end(started: list[Run]) -> list[Population]:
    """Runs of equally many steps."""
    while True:
        outcomes = tick(started)
        populations = [outcome for outcome in outcomes if isinstance(outcome, Population)]
        if populations:
            assert len(populations) == len(started)
            return populations
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                raise outcome
