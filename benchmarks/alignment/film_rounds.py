"""Rounds of film sessions of which all is known: a population, its true rewards, what policies would show."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apa.priors.base import Prior
from apa.surrogates.base import Surrogate
from sampler_service.selection import Candidates, Policy, UpperConfidenceBound
from sampler_service.selection import Round as Budget
from simulation.film_table import shipped_film_table
from simulation.film_tastes import FILM_TASTES
from trainer_worker.fit import FeatureCache, fit
from trainer_worker.observations import Observations
from trainer_worker.shelf import PriorShelf

N, K = 32, 8
AT = Budget(3, 10)
FIRST_ANSWERS = 16
"""Before the first round; a quarter of them about films that the taste likes."""
ROUNDS = 9
"""Of a session, each with a surrogate that has learnt from those before."""
SHORTLIST = 1024
"""Films that a population is drawn from."""
TILT = 2.0
"""How much it is drawn towards what the surrogate expects, in the expectation's standard deviations."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Round:
    """One population.

    Attributes:
        rewards: (N,), true.
        inclusion: of each policy (N,).
    """

    candidates: Candidates
    rewards: Floats
    inclusion: dict[str, Floats]

    def worth(self, policy: str) -> float:
        """Mean true reward of an item that the policy shows."""
        return float(self.inclusion[policy] @ self.rewards) / K

    def expected(self, policy: str) -> float:
        """The same by the surrogate."""
        return float(self.inclusion[policy] @ self.candidates.prediction.mean.numpy()) / K


def film_rounds(count: int, policies: dict[str, Policy], generator: torch.Generator) -> list[Round]:
    """At least as many, of sessions of each taste in turn."""
    prior, table, cache = PriorShelf().get("films").prior, shipped_film_table(), FeatureCache()
    rounds: list[Round] = []
    for taste in cycle(FILM_TASTES):
        if len(rounds) >= count:
            break
        rounds += _session(prior, torch.from_numpy(taste.rewards(table)), policies, cache, generator)
    return rounds


def _session(
    prior: Prior,
    rewards: Tensor,
    policies: dict[str, Policy],
    cache: FeatureCache,
    generator: torch.Generator,
) -> list[Round]:
    """Rounds that show what `ucb` would, in the catalogue instead of a run's particles."""
    asked, rounds = _first(rewards, generator), []
    for seed in range(ROUNDS):
        observed = Observations.scalar(_vectors(prior, asked), rewards[asked])
        surrogate = fit("linear", prior, observed, seed, cache)
        fresh = torch.ones(len(rewards)).index_fill(0, asked, 0.0).nonzero().flatten()
        films = _population(prior, surrogate, fresh, generator)
        rounds.append(_round(prior, surrogate, films, rewards, policies))
        shown = UpperConfidenceBound()(rounds[-1].candidates, K, AT, generator)
        asked = torch.cat([asked, films[[choice.index for choice in shown]]])
    return rounds


def _first(rewards: Tensor, generator: torch.Generator) -> Tensor:
    """(FIRST_ANSWERS,) films."""
    liked = (rewards > 0.3).nonzero().flatten()
    liked = liked[torch.randperm(len(liked), generator=generator)[: FIRST_ANSWERS // 4]]
    others = torch.randperm(len(rewards), generator=generator)[: FIRST_ANSWERS - len(liked)]
    return torch.cat([liked, others])


def _population(prior: Prior, surrogate: Surrogate, fresh: Tensor, generator: torch.Generator) -> Tensor:
    """(N,) films, more of those that the surrogate expects more of."""
    shortlist = fresh[torch.randperm(len(fresh), generator=generator)[:SHORTLIST]]
    expected = surrogate.predict(prior, _vectors(prior, shortlist)).mean
    tilted = torch.exp(TILT * (expected - expected.max()) / expected.std())
    return shortlist[torch.multinomial(tilted, N, generator=generator)]


def _round(
    prior: Prior, surrogate: Surrogate, films: Tensor, rewards: Tensor, policies: dict[str, Policy]
) -> Round:
    x = _vectors(prior, films)
    candidates = Candidates(
        torch.arange(N),
        surrogate.predict(prior, x),
        torch.zeros(N, dtype=torch.float64),
        correlation=surrogate.joint(prior, x).correlation,
    )
    inclusion = {
        name: policy.inclusion(candidates, K, AT, torch.Generator().manual_seed(0)).numpy()
        for name, policy in policies.items()
    }
    return Round(candidates, rewards[films].numpy(), inclusion)


def _vectors(prior: Prior, films: Tensor) -> Tensor:
    """(M, D) of films (M,)."""
    assert prior.catalogue is not None
    return torch.from_numpy(prior.catalogue.vectors[films.numpy()])
