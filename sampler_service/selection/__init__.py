"""Which k particles of a population are shown: policies by name, choices with reason and propensity."""

from __future__ import annotations

from apa.records.session import PolicyName
from sampler_service.selection.candidates import Candidates, Choice, Policy, Round
from sampler_service.selection.cold_start import DRAWS_PER_PARTICLE, cold_start, exploring_start
from sampler_service.selection.distinct import distinct
from sampler_service.selection.epsilon_greedy import EpsilonGreedy
from sampler_service.selection.gumbel_top_k import TEMPERATURE, GumbelTopK
from sampler_service.selection.thompson import Thompson
from sampler_service.selection.ucb import UpperConfidenceBound, kappa, upper_bound

__all__ = [
    "DRAWS_PER_PARTICLE",
    "POLICIES",
    "Candidates",
    "Choice",
    "EpsilonGreedy",
    "GumbelTopK",
    "Policy",
    "Round",
    "Thompson",
    "UpperConfidenceBound",
    "cold_start",
    "distinct",
    "exploring_start",
    "kappa",
    "policies",
    "upper_bound",
]


def policies(gumbel_temperature: float = TEMPERATURE) -> dict[PolicyName, Policy]:
    """All of them by name."""
    return {
        "ucb": UpperConfidenceBound(),
        "batch_ucb": UpperConfidenceBound(diverse=True),
        "thompson": Thompson(),
        "batch_thompson": Thompson(each_its_own=True),
        "epsilon_greedy": EpsilonGreedy(),
        "batch_epsilon_greedy": EpsilonGreedy(diverse=True),
        "gumbel_top_k": GumbelTopK(gumbel_temperature),
    }


POLICIES = policies()
