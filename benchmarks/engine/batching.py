"""One batch for many users: the same particles, and what it costs beside the bare networks."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from apa.priors import Denoised, Prior
from apa.surrogates import LinearSurrogate, values_of
from apa.surrogates.cnn import RewardNetwork, frozen
from apa.surrogates.stacked_networks import outputs_of
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
    t = [torch.full((4,), 0.5)] * USERS
    features = [torch.randn(4, films.feature_dim) for _ in range(USERS)]

    def heads(stacked: bool) -> None:
        own = [leaf.detach().requires_grad_() for leaf in features]
        denoised = [Denoised(leaf, leaf) for leaf in own]
        values = (
            values_of(surrogates, own, t, denoised)
            if stacked
            else [s.value(x, u, d) for s, x, u, d in zip(surrogates, own, t, denoised, strict=True)]
        )
        _gradients(values, own)

    def networks(of: list[nn.Module], xs: list[Tensor], stacked: bool) -> None:
        own = [x.detach().requires_grad_() for x in xs]
        values = outputs_of(of, own) if stacked else [net(x) for net, x in zip(of, own, strict=True)]
        _gradients(values, own)

    mlps, vectors = [_mlp() for _ in range(USERS)], [torch.randn(4, 48) for _ in range(USERS)]
    cnns: list[nn.Module] = [frozen(RewardNetwork(1)) for _ in range(USERS)]
    images = [torch.randn(1, 1, 28, 28) for _ in range(USERS)]
    together, apart = runs(films, surrogates, 4), runs(films, surrogates, 4)
    return [
        row(
            "64 users stacked against one after the other, linear heads",
            [1 / r for r in ratios(lambda: heads(True), lambda: heads(False), repeats, 3)],
            8.0,
            note="4 particles each, value and gradient",
        ),
        row(
            "the same, MLPs",
            [
                1 / r
                for r in ratios(
                    lambda: networks(mlps, vectors, True), lambda: networks(mlps, vectors, False), repeats, 3
                )
            ],
            8.0,
        ),
        row(
            "the same, CNNs",
            [
                1 / r
                for r in ratios(
                    lambda: networks(cnns, images, True), lambda: networks(cnns, images, False), repeats
                )
            ],
            1.0,
            note="one image each, a full batch of a CPU",
        ),
        row(
            "the same, whole steps of films",
            [1 / r for r in ratios(lambda: tick(together), lambda: [tick([run]) for run in apart], repeats)],
            8.0,
            note="denoiser and corrector included",
        ),
    ]


def _against_bare(films: Prior, surrogates: list[LinearSurrogate], scale: Scale) -> Row:
    num_steps = scale.pick(20, 8)

    def bare() -> None:
        xs = [torch.randn(32, *films.data_shape) for _ in surrogates]
        for _ in range(num_steps + 1):
            own = [x.detach().requires_grad_() for x in xs]
            ts = [torch.full((32,), 0.5)] * len(own)
            denoised = films.denoise(torch.cat(own), torch.cat(ts))
            split = [
                Denoised(*pair)
                for pair in zip(
                    torch.split(denoised.x_0_hat, 32), torch.split(denoised.features, 32), strict=True
                )
            ]
            _gradients(values_of(surrogates, own, ts, split), own)

    with engine() as thread:

        def served() -> None:
            watched = [submit(thread, films, SurrogatePotential(s), 32, num_steps) for s in surrogates]
            for one in watched:
                one.wait()

        found = ratios(bare, served, scale.pick(9, 2))
    return row("engine against denoiser and surrogates called bare", found, 0.85, note="8 runs of 32")


def _gradients(values: list[Tensor], xs: list[Tensor]) -> None:
    torch.autograd.grad(values, xs, [torch.ones_like(value) for value in values])


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
