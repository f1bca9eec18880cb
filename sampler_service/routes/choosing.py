"""Which route is the cheapest that does: told from what the stored draws hold of the target."""

from __future__ import annotations

from dataclasses import dataclass

from sampler_service.routes.outlook import Outlook
from sampler_service.start import largest_share

LEAST_SHARE = 0.2
"""Of beta, that stored draws have to bear for a start from them to be worth more than noise."""


@dataclass(frozen=True)
class RouteChoice:
    """A route and why, in words for whoever pays for it.

    Attributes:
        name: a RouteName, or that of a registered sampler.
    """

    name: str
    reason: str


def choose(outlook: Outlook, num_particles: int, *, looks_at_all: bool = False) -> RouteChoice:
    """The cheapest route that brings as many effective particles as a run has.

    Args:
        num_particles: N of a run.
        looks_at_all: whether what is wanted is items of a catalogue, and ranking is among all of them: then
            nothing that is generated could show more.
    """
    if looks_at_all:
        return RouteChoice("rank", "every item of the catalogue is looked at")
    stored, ess = len(outlook.tilt), outlook.ess
    if ess >= num_particles:
        return RouteChoice(
            "rank",
            f"{stored} stored draws are worth {ess:.0f} of the target, and a run has {num_particles}",
        )
    share = largest_share(outlook.tilt, num_particles)
    too_few = (
        f"{stored} stored draws are worth {ess:.1f} of the target, fewer than the {num_particles} of a run"
    )
    if share >= LEAST_SHARE:
        return RouteChoice("pool_start", f"{too_few}; at {share:.2f} of beta they are as many")
    return RouteChoice("steer", f"{too_few}, and at {LEAST_SHARE:g} of beta still are")
