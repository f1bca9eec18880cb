"""What was removed of a user, to and from protobuf."""

from __future__ import annotations

from dataclasses import asdict

from apa.pb import feedback_pb2
from apa.records.erased import Erased


def erased_to_pb(erased: Erased) -> feedback_pb2.DeleteUserResponse:
    return feedback_pb2.DeleteUserResponse(**asdict(erased))


def erased_from_pb(response: feedback_pb2.DeleteUserResponse) -> Erased:
    return Erased(
        sessions=response.sessions,
        events=response.events,
        slates=response.slates,
        particles=response.particles,
        surrogates=response.surrogates,
        cohort_shares=response.cohort_shares,
    )
