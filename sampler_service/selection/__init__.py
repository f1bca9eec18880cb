"""Which k particles of a population are shown: policies by name, choices with reason and propensity."""

from __future__ import annotations

from apa.records.session import PolicyName
from sampler_service.selection.candidates import Candidates, Choice, Policy, Round
from sampler_service.selection.cold_start import cold_start
from sampler_service.selection.distinct import distinct
from sampler_service.selection.epsilon_greedy import EpsilonGreedy
from sampler_service.selection.ucb import UpperConfidenceBound

__all__ = [
    "POLICIES",
    "Candidates",
    "Choice",
    "EpsilonGreedy",
    "Policy",
    "Round",
    "UpperConfidenceBound",
    "cold_start",
    "distinct",
]

POLICIES: dict[PolicyName, Policy] = {
    "epsilon_greedy": EpsilonGreedy(),
    "ucb": UpperConfidenceBound(),
}
