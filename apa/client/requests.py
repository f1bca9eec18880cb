"""Builds requests. Ids are drawn here, before the first attempt: a repeated call repeats its id."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from apa.client.answers import Answers, Supersedes, feedback_of
from apa.client.arguments import flag, own_id, some_text, some_texts, text, whole_number
from apa.errors import InvalidArgument
from apa.pb import common_pb2, feedback_pb2, sampler_pb2
from apa.records.catalogue import MAX_ITEMS, CatalogueEntry
from apa.records.sampling import SamplingOverrides
from apa.records.session import SessionConfig
from apa.records.validation import validated
from apa.wire.catalogue import entries_to_pb
from apa.wire.feedback import feedback_to_pb
from apa.wire.sampling import options_to_pb
from apa.wire.sessions import config_to_pb
from apa.wire.tensors import tensor_to_pb

T = TypeVar("T")

Sampling = SamplingOverrides | Mapping[str, Any] | None
"""How a run is steered, by name, e.g. {"beta": 4.0, "seed": 1}; None leaves everything to the session."""
PAGE_SIZE = 100


def create_session(
    prior: str,
    budget: int,
    *,
    user_id: str | None,
    tenant: str | None,
    session_id: str | None,
    sampling: Sampling,
    **options: Any,
) -> feedback_pb2.CreateSessionRequest:
    """Raises InvalidArgument for what no server would take.

    Args:
        options: other fields of `SessionConfig`; None leaves one out.
    """
    given = {name: value for name, value in options.items() if value is not None}
    overrides = _overrides(sampling)
    config = validated(SessionConfig, {"prior": prior, "budget": budget, "sampling": overrides, **given})
    return feedback_pb2.CreateSessionRequest(
        session_id=own_id(session_id, field="session_id") or new_id(),
        tenant=text(tenant, field="tenant"),
        user_id=text(user_id, field="user_id"),
        config=config_to_pb(config),
    )


def get_session(session_id: str) -> feedback_pb2.GetSessionRequest:
    return feedback_pb2.GetSessionRequest(session_id=some_text(session_id, field="session_id"))


def list_surrogates(session_id: str) -> feedback_pb2.ListSurrogatesRequest:
    return feedback_pb2.ListSurrogatesRequest(session_id=some_text(session_id, field="session_id"))


def rollback_surrogate(session_id: str, version: str) -> feedback_pb2.RollbackSurrogateRequest:
    return feedback_pb2.RollbackSurrogateRequest(
        session_id=some_text(session_id, field="session_id"), version=some_text(version, field="version")
    )


def release_surrogate(session_id: str) -> feedback_pb2.ReleaseSurrogateRequest:
    return feedback_pb2.ReleaseSurrogateRequest(session_id=some_text(session_id, field="session_id"))


def close_session(session_id: str) -> feedback_pb2.CloseSessionRequest:
    return feedback_pb2.CloseSessionRequest(session_id=some_text(session_id, field="session_id"))


def export_session(session_id: str) -> feedback_pb2.ExportSessionRequest:
    return feedback_pb2.ExportSessionRequest(session_id=some_text(session_id, field="session_id"))


def delete_user(user_id: str, tenant: str | None) -> feedback_pb2.DeleteUserRequest:
    return feedback_pb2.DeleteUserRequest(
        tenant=text(tenant, field="tenant"), user_id=some_text(user_id, field="user_id")
    )


def sample(
    session_id: str | None,
    *,
    prior: str | None,
    num_particles: int | None,
    sampling: Sampling,
    request_id: str | None,
    include_particles: bool | None,
    progress_every: int,
    preview_particles: int,
    exclude_item_ids: Sequence[str] | None,
    only_item_ids: Sequence[str] | None,
    tenant: str | None,
) -> sampler_pb2.SampleRequest:
    """Raises InvalidArgument unless one of session and prior is given, and for what no message can carry."""
    if bool(session_id) == bool(prior):
        raise InvalidArgument(
            "a run is of a session or of a prior",
            field="session_id",
            expected="one of session_id and prior",
            found="both" if prior else "neither",
        )
    if num_particles is not None:
        whole_number(num_particles, field="num_particles", least=1)
    # Without a session there is no slate: the particles are all there is to see.
    if include_particles is None:
        include_particles = not session_id
    return sampler_pb2.SampleRequest(
        request_id=own_id(request_id, field="request_id") or new_id(),
        session_id=text(session_id, field="session_id"),
        prior=text(prior, field="prior"),
        num_particles=num_particles,
        sampling=options_to_pb(_overrides(sampling)),
        include_particles=flag(include_particles, field="include_particles"),
        progress_every=whole_number(progress_every, field="progress_every", least=0),
        preview_particles=whole_number(preview_particles, field="preview_particles", least=0),
        exclude_item_ids=some_texts(exclude_item_ids or (), field="exclude_item_ids"),
        only_item_ids=_only(only_item_ids),
        tenant=text(tenant, field="tenant"),
    )


def _only(item_ids: Sequence[str] | None) -> list[str]:
    """A message cannot tell an empty set from none, which would let everything through."""
    if item_ids is not None and not len(item_ids):
        raise InvalidArgument(
            "of no candidates nothing can be shown",
            field="only_item_ids",
            expected="items, or None for all",
            found="none",
        )
    return some_texts(item_ids or (), field="only_item_ids")


def score(session_id: str, item_ids: Sequence[str] | None, x: ArrayLike | None) -> sampler_pb2.ScoreRequest:
    """Raises InvalidArgument unless one of item_ids and x is given, and for what is no array of numbers."""
    if (item_ids is None) == (x is None):
        raise InvalidArgument(
            "candidates are items of a catalogue, or vectors",
            field="item_ids",
            expected="one of item_ids and x",
            found="neither" if x is None else "both",
        )
    return sampler_pb2.ScoreRequest(
        session_id=some_text(session_id, field="session_id"),
        item_ids=() if item_ids is None else some_texts(item_ids, field="item_ids"),
        x=None if x is None else _tensor(x, field="x"),
    )


def upsert_items(
    prior: str, items: Sequence[CatalogueEntry], max_message_bytes: int
) -> Iterator[sampler_pb2.UpsertItemsRequest]:
    """Requests that hold them; raises InvalidArgument for what no message can carry."""
    some_text(prior, field="prior")
    for place, item in enumerate(items):
        some_text(item.item_id, field=f"items.{place}.item_id")
        flag(item.in_stock, field=f"items.{place}.in_stock")
        for name, value in {"title": item.title, **item.attributes}.items():
            if not isinstance(name, str) or not isinstance(value, str):
                raise InvalidArgument(
                    "an item shows texts",
                    field=f"items.{place}.attributes",
                    expected="texts by name",
                    found=f"{name!r}: {value!r}"[:120],
                )
    for part in _parts(items):
        yield from _fitting(prior, part, max_message_bytes)


def _fitting(
    prior: str, items: Sequence[CatalogueEntry], max_message_bytes: int
) -> Iterator[sampler_pb2.UpsertItemsRequest]:
    """One request, or as many as the channel's limit makes of it."""
    request = entries_to_pb(prior, items)
    if len(items) < 2 or request.ByteSize() <= max_message_bytes:
        yield request
        return
    half = len(items) // 2
    for part in (items[:half], items[half:]):
        yield from _fitting(prior, part, max_message_bytes)


def delete_items(prior: str, item_ids: Sequence[str]) -> Iterator[sampler_pb2.DeleteItemsRequest]:
    """As few requests as hold them."""
    some_text(prior, field="prior")
    for part in _parts(some_texts(item_ids, field="item_ids")):
        yield sampler_pb2.DeleteItemsRequest(prior=prior, item_ids=part)


def _parts(whole: Sequence[T]) -> Iterator[Sequence[T]]:
    """At least one: the server refuses an empty one."""
    for start in range(0, max(1, len(whole)), MAX_ITEMS):
        yield whole[start : start + MAX_ITEMS]


def _tensor(x: ArrayLike, *, field: str) -> common_pb2.Tensor:
    try:
        return tensor_to_pb(np.asarray(x, dtype=np.float32))
    except (TypeError, ValueError) as error:
        raise InvalidArgument(
            "these are no numbers", field=field, expected="an array of float32", found=repr(x)[:120]
        ) from error


def record_feedback(
    session_id: str, answers: Answers, rater: str | None, supersedes: Supersedes
) -> feedback_pb2.RecordFeedbackRequest:
    """Raises InvalidArgument for an empty id, a reward that is not finite, or what is no answer."""
    events = feedback_of(session_id, answers, rater or "", supersedes)
    return feedback_pb2.RecordFeedbackRequest(events=[feedback_to_pb(event) for event in events])


def list_sessions(
    tenant: str | None, user_id: str | None, limit: int, page_token: str
) -> feedback_pb2.ListSessionsRequest:
    return feedback_pb2.ListSessionsRequest(
        tenant=text(tenant, field="tenant"),
        user_id=text(user_id, field="user_id"),
        page_size=min(limit, PAGE_SIZE),
        page_token=page_token,
    )


def new_id() -> str:
    return uuid.uuid4().hex


def _overrides(sampling: Sampling) -> SamplingOverrides:
    if isinstance(sampling, SamplingOverrides):
        return sampling
    return validated(SamplingOverrides, sampling or {}, field="sampling")
