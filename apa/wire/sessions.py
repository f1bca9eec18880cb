"""Sessions to and from protobuf. In a request, 0 and "" mean left out: the record's default is taken."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from apa.errors import InvalidArgument
from apa.pb import common_pb2
from apa.records.session import (
    AggregationName,
    FeedbackKindName,
    Ledger,
    RefitFailure,
    RefitOnName,
    RefitQuality,
    Session,
    SessionConfig,
    SurrogateVersion,
)
from apa.records.shown import SessionView
from apa.records.validation import validated
from apa.wire.sampling import options_from_pb, options_to_pb
from apa.wire.times import time_from_pb, time_to_pb

FEEDBACK_KINDS: dict[FeedbackKindName, common_pb2.FeedbackKind] = {
    "scalar": common_pb2.FEEDBACK_KIND_SCALAR,
    "binary": common_pb2.FEEDBACK_KIND_BINARY,
    "pairwise": common_pb2.FEEDBACK_KIND_PAIRWISE,
    "ranking": common_pb2.FEEDBACK_KIND_RANKING,
}
AGGREGATIONS: dict[AggregationName, common_pb2.RaterAggregation] = {
    "mean": common_pb2.RATER_AGGREGATION_MEAN,
    "max": common_pb2.RATER_AGGREGATION_MAX,
    "least_misery": common_pb2.RATER_AGGREGATION_LEAST_MISERY,
}
REFITS_ON: dict[RefitOnName, common_pb2.RefitOn] = {
    "all": common_pb2.REFIT_ON_ALL,
    "round": common_pb2.REFIT_ON_ROUND,
}

HAVE_DEFAULTS = ("particles_per_round", "num_particles", "policy", "surrogate", "raters", "cohort")

_Name = TypeVar("_Name", bound=str)


def config_to_pb(config: SessionConfig) -> common_pb2.SessionConfig:
    return common_pb2.SessionConfig(
        prior=config.prior,
        budget=config.budget,
        particles_per_round=config.particles_per_round,
        num_particles=config.num_particles,
        policy=config.policy,
        surrogate=config.surrogate,
        feedback_kind=FEEDBACK_KINDS[config.feedback_kind],
        sampling=options_to_pb(config.sampling),
        raters=config.raters,
        aggregation=AGGREGATIONS[config.aggregation],
        answer_wait_seconds=config.answer_wait_s,
        default_reward=config.default_reward,
        refit_on=REFITS_ON[config.refit_on],
        cohort=config.cohort,
    )


def config_from_pb(config: common_pb2.SessionConfig, *, field: str = "config") -> SessionConfig:
    """The config of a request.

    Raises:
        InvalidArgument: no prior, no budget, a value out of range, or a name unknown.
    """
    given: dict[str, Any] = {"prior": config.prior, "budget": config.budget}
    given |= {name: getattr(config, name) for name in HAVE_DEFAULTS if getattr(config, name)}
    given |= _named(config, field)
    if config.HasField("answer_wait_seconds"):
        given["answer_wait_s"] = config.answer_wait_seconds
    if config.HasField("default_reward"):
        given["default_reward"] = config.default_reward
    given["sampling"] = options_from_pb(config.sampling, field=f"{field}.sampling")
    return validated(SessionConfig, given, field=field)


def _named(config: common_pb2.SessionConfig, field: str) -> dict[str, str]:
    """What is chosen by an enum, without what is left out."""
    given: dict[str, str] = {}
    if config.feedback_kind:
        given["feedback_kind"] = _name(config.feedback_kind, FEEDBACK_KINDS, f"{field}.feedback_kind")
    if config.aggregation:
        given["aggregation"] = _name(config.aggregation, AGGREGATIONS, f"{field}.aggregation")
    if config.refit_on:
        given["refit_on"] = _name(config.refit_on, REFITS_ON, f"{field}.refit_on")
    return given


def surrogate_to_pb(version: SurrogateVersion) -> common_pb2.SurrogateVersion:
    return common_pb2.SurrogateVersion(
        version=version.version,
        family=version.family,
        trained_events=version.trained_events,
        published_at=time_to_pb(version.published_at),
        quality=None if version.quality is None else _quality_to_pb(version.quality),
    )


def surrogate_from_pb(version: common_pb2.SurrogateVersion) -> SurrogateVersion:
    given = {
        "version": version.version,
        "family": version.family,
        "trained_events": version.trained_events,
        "published_at": time_from_pb(version.published_at),
    }
    if version.HasField("quality"):
        given["quality"] = {name: getattr(version.quality, name) for name in RefitQuality.model_fields}
    return validated(SurrogateVersion, given, field="surrogate")


def _quality_to_pb(quality: RefitQuality) -> common_pb2.RefitQuality:
    return common_pb2.RefitQuality(**quality.model_dump())


def failure_to_pb(failure: RefitFailure) -> common_pb2.RefitFailure:
    return common_pb2.RefitFailure(
        error=failure.error,
        message=failure.message,
        num_events=failure.num_events,
        failed_at=time_to_pb(failure.failed_at),
    )


def failure_from_pb(failure: common_pb2.RefitFailure) -> RefitFailure:
    given = {
        "error": failure.error,
        "message": failure.message,
        "num_events": failure.num_events,
        "failed_at": time_from_pb(failure.failed_at),
    }
    return validated(RefitFailure, given, field="refit_failure")


def session_to_pb(view: SessionView) -> common_pb2.Session:
    session, ledger = view.session, view.ledger
    return common_pb2.Session(
        session_id=session.session_id,
        tenant=session.tenant,
        user_id=session.user_id,
        config=config_to_pb(session.config),
        created_at=time_to_pb(session.created_at),
        spent=ledger.spent,
        reserved=ledger.reserved,
        round_index=ledger.round_index,
        num_events=ledger.num_events,
        surrogate=surrogate_to_pb(view.surrogate) if view.surrogate is not None else None,
        refit_failure=failure_to_pb(view.refit_failure) if view.refit_failure is not None else None,
        closed_at=time_to_pb(ledger.closed_at) if ledger.closed_at is not None else None,
        pinned_version=view.pinned_version,
    )


def session_from_pb(session: common_pb2.Session) -> SessionView:
    given = {
        "session_id": session.session_id,
        "tenant": session.tenant,
        "user_id": session.user_id,
        "config": config_from_pb(session.config),
        "created_at": time_from_pb(session.created_at),
    }
    ledger = Ledger(
        spent=session.spent,
        reserved=session.reserved,
        round_index=session.round_index,
        num_events=session.num_events,
        closed_at=time_from_pb(session.closed_at) if session.HasField("closed_at") else None,
    )
    surrogate = surrogate_from_pb(session.surrogate) if session.HasField("surrogate") else None
    failure = failure_from_pb(session.refit_failure) if session.HasField("refit_failure") else None
    record = validated(Session, given, field="session")
    return SessionView(record, ledger, surrogate, failure, session.pinned_version)


def _name(code: int, codes: Mapping[_Name, int], field: str) -> _Name:
    """Raises InvalidArgument for a code of another release."""
    for name, known in codes.items():
        if known == code:
            return name
    raise InvalidArgument(
        "no such choice", field=field, expected="one of " + ", ".join(codes), found=str(code)
    )
