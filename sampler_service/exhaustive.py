"""What a ranked slate is chosen among: all that is stored, or all of a catalogue, looked at in two passes."""

from __future__ import annotations

from collections.abc import Collection
from typing import Protocol

from torch import Tensor

from apa.surrogates.base import Prediction
from sampler_service.calls import Job
from sampler_service.expecting import Expecting, expected_of
from sampler_service.population import Population
from sampler_service.selection import Round
from sampler_service.showable import Pool, short_list


class Exhaustive(Protocol):
    """M things that could be shown, more than can be compared with each other."""

    @property
    def all(self) -> Pool:
        """Every one of them, nothing copied."""

    def left_out(self, shown_before: Collection[str]) -> Tensor:
        """(M,), true at what is not to be shown.

        Args:
            shown_before: names of items and stored draws that the session has seen.
        """

    def whole(self, ranked: Population) -> Population:
        """The weighted population that rows of the pool are rows of; `ranked` is N draws for the target."""

    def settled(self, pool: Pool, prediction: Prediction, ranked: Population) -> tuple[Pool, Prediction]:
        """A short list as a policy is to see it."""


def short_list_of(
    job: Job,
    everything: Exhaustive,
    ranked: Population,
    shown_before: Collection[str],
    at: Round,
    expecting: Expecting,
) -> tuple[Pool, Prediction]:
    """Those with the highest upper bounds, found in the precision of what is kept and then told exactly."""
    every = everything.all
    roughly = expected_of(job, every, expecting, roughly=True)
    pool, _ = short_list(every, roughly, at, everything.left_out(shown_before))
    return everything.settled(pool, expected_of(job, pool, expecting), ranked)
