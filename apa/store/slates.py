"""Slates: budget is reserved before a run, and the shown particles are stored after it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import redis

from apa import keys
from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound, Unavailable
from apa.records.ids import check_text
from apa.records.particle import Particle
from apa.records.session import MAX_RATERS
from apa.records.slate import Slate
from apa.store import particles
from apa.store.connection import guarded
from apa.store.known import while_known
from apa.store.lua import budget_keys, budget_script, milliseconds, text
from apa.store.particles import Wanted
from apa.store.stored import closed_session, loaded, unknown_session

Arguments = Mapping[str, object]
"""What a request asks for, by name; values that JSON can carry."""


@dataclass(frozen=True)
class Reservation:
    """What a run may ask. With a `replay` nothing is reserved: the request was answered before."""

    session_id: str
    slate_id: str
    asked: int
    """min(k, B - spent - reserved); 0 once the budget is spent."""
    round_index: int
    replay: Slate | None = None


class SlateStore:
    """Stores slates.

    Args:
        late_answers_s: how long an expired slate's particles may still be answered, from budget that is
            free by then. Its record stays as long, and for good once there is an answer.
        default_grace_s: how long after its wait a slate can still be given default rewards: longer than all
            trainers are ever away.
    """

    def __init__(
        self, client: redis.Redis, *, late_answers_s: float = 600.0, default_grace_s: float = 86_400.0
    ) -> None:
        self._client = client
        self._late_answers_s = late_answers_s
        self._default_grace_s = default_grace_s
        self._reserve = budget_script(client, "reserve_slate")
        self._confirm = budget_script(client, "confirm_slate")
        self._release = budget_script(client, "release_slate")

    @guarded
    def reserve(
        self,
        session_id: str,
        request_id: str,
        slate_id: str,
        k: int,
        lifetime_s: float,
        arguments: Arguments | None = None,
    ) -> Reservation:
        """Reserves up to `k` answers for a slate that will be stored within `lifetime_s`.

        Args:
            arguments: what the request asks for by name, without what it leaves out. A request id stands for
                one slate and so for one set of arguments; None compares nothing.

        Raises:
            InvalidArgument: the request id is empty, too long, or has a control character.
            NotFound: no such session.
            AlreadyExists: the request id was used with other arguments.
            Unavailable: the same request is being worked on by another call.
            FailedPrecondition: the session is closed. A slate that was stored before is replayed.
        """
        check_text(request_id, field="request_id")
        status, *found = self._reserve(
            keys=[
                *budget_keys(session_id),
                keys.request(session_id, request_id),
                keys.request_arguments(session_id, request_id),
            ],
            args=[slate_id, request_id, k, milliseconds(lifetime_s), _encoded(arguments)],
        )
        match text(status):
            case "reserved":
                asked, round_index = found
                return Reservation(session_id, slate_id, asked, round_index)
            case "made":
                return self._replay(session_id, text(found[0]))
            case "other_arguments":
                raise _other_arguments(text(found[0]), _encoded(arguments))
            case "being_made":
                raise _being_made(request_id)
            case "closed":
                raise closed_session(session_id, int(found[0]) / 1000)
            case _:
                raise unknown_session(session_id)

    def _replay(self, session_id: str, slate_id: str) -> Reservation:
        slate = self.slate(session_id, slate_id)
        return Reservation(session_id, slate_id, slate.asked, slate.round_index, replay=slate)

    @guarded
    def put(self, slate: Slate, shown: Sequence[Particle], *, has_default: bool = False) -> Slate:
        """Stores a reserved slate and its particles; returns it with its times on the store's clock.

        It lives for `expires_at - created_at` from now. What it asks less than was reserved is given back.

        Args:
            has_default: what is not answered in that time will be given the session's default reward; what
                that takes stays reserved until then.

        Raises:
            NotFound: the session was deleted meanwhile.
            FailedPrecondition: the reservation was released or has expired, or the session was closed.
            InvalidArgument: the slate asks more than was reserved, or than raters can say of its items.
        """
        _check_items(slate, shown)
        stored = self._dated(slate)
        grace_s = self._default_grace_s if has_default else 0.0
        late_ms = milliseconds(stored.expires_at + max(self._late_answers_s, grace_s))

        def queue(pipeline: redis.client.Pipeline) -> None:
            for particle in shown:
                particles.queue_write(pipeline, slate.session_id, particle, late_ms)
            self._queue_confirmation(pipeline, stored, late_ms, grace_s)

        replies = while_known(self._client, slate.session_id, queue)
        if not replies:
            raise unknown_session(slate.session_id)
        status, *found = replies[-1]
        if text(status) == "ok":
            return stored
        # The particles were written beside the refusal; nobody was told of them, but they could be answered.
        self._client.delete(*(keys.particle(slate.session_id, particle.particle_id) for particle in shown))
        raise _refused(slate, text(status), found)

    def _dated(self, slate: Slate) -> Slate:
        seconds, microseconds = self._client.time()
        now = seconds + microseconds / 1e6
        lifetime_s = slate.expires_at - slate.created_at
        return slate.model_copy(update={"created_at": now, "expires_at": now + lifetime_s})

    def _queue_confirmation(
        self, pipeline: redis.client.Pipeline, slate: Slate, late_ms: int, grace_s: float
    ) -> None:
        session_id = slate.session_id
        self._confirm(
            keys=[
                *budget_keys(session_id),
                keys.request(session_id, slate.request_id),
                keys.slate(session_id, slate.slate_id),
                keys.shown_items(session_id),
                keys.request_arguments(session_id, slate.request_id),
                keys.slates(session_id),
                keys.passing_slates(session_id),
                keys.waiting(keys.shard_of(session_id)),
            ],
            args=[
                slate.slate_id,
                slate.model_dump_json(),
                slate.asked,
                milliseconds(slate.created_at),
                milliseconds(slate.expires_at),
                late_ms,
                milliseconds(slate.expires_at + grace_s),
                waiting_member(session_id, slate.slate_id) if grace_s else "",
                *(
                    name
                    for item in slate.items
                    for name in (item.item_id, item.stored_draw)
                    if name is not None
                ),
            ],
            client=pipeline,
        )

    @guarded
    def release(self, session_id: str, slate_id: str) -> None:
        """Gives back a reservation whose run failed or was cancelled; the request may then be tried again.

        Nothing happens to a slate that was stored, or whose reservation has expired.
        """
        request_id = self._client.hget(keys.making(session_id), slate_id)
        if request_id is not None:
            of_request = [keys.request(session_id, text(request_id))]
            of_request += [keys.request_arguments(session_id, text(request_id))]
            self._release(keys=[*budget_keys(session_id), *of_request], args=[slate_id])

    @guarded
    def slate(self, session_id: str, slate_id: str) -> Slate:
        """Raises NotFound, also when it has expired without an answer."""
        raw = self._client.get(keys.slate(session_id, slate_id))
        if raw is None:
            raise NotFound(
                "no such slate, or it has expired", field="slate_id", expected="an open slate", found=slate_id
            )
        return loaded(Slate, raw)

    @guarded
    def shown_items(self, session_id: str) -> set[str]:
        """Catalogue items and stored draws shown in this session so far."""
        return {text(item) for item in self._client.smembers(keys.shown_items(session_id))}

    @guarded
    def particles(self, session_id: str, particle_ids: Sequence[str]) -> list[Particle]:
        """The shown particles, in the order asked for. Raises NotFound naming the first that is gone."""
        return particles.read(self._client, session_id, particle_ids)

    @guarded
    def particles_of(self, wanted: Sequence[Wanted]) -> list[list[Particle] | ApaError]:
        """`particles` of several sessions, in one round trip."""
        return particles.read_many(self._client, wanted)


def waiting_member(session_id: str, slate_id: str) -> str:
    """A slate among those of its shard that wait for default rewards; no session id contains a slash."""
    return f"{session_id}/{slate_id}"


def _check_items(slate: Slate, shown: Sequence[Particle]) -> None:
    if [item.particle_id for item in slate.items] != [particle.particle_id for particle in shown]:
        raise InvalidArgument(
            "the particles are not those of the slate",
            field="particles",
            expected="one for each item, in order",
            found=f"{len(shown)} particles, {len(slate.items)} items",
        )
    if any(particle.x.dtype != np.float32 for particle in shown):
        raise InvalidArgument("a particle has another dtype", field="particles.x", expected="float32")
    # Each of its raters may be asked about each item.
    if slate.asked > len(slate.items) * MAX_RATERS:
        raise _asks_too_much(slate.asked, limit=len(slate.items) * MAX_RATERS)


def _asks_too_much(asked: int, limit: int) -> InvalidArgument:
    return InvalidArgument(
        "the slate asks more than it may", field="slate.asked", expected=f"at most {limit}", found=str(asked)
    )


def _refused(slate: Slate, status: str, found: list[int]) -> ApaError:
    match status:
        case "closed":
            return closed_session(slate.session_id, found[0] / 1000)
        case "lost":
            return _reservation_lost(slate.slate_id)
        case _:
            return _asks_too_much(slate.asked, limit=found[0])


def _reservation_lost(slate_id: str) -> FailedPrecondition:
    return FailedPrecondition(
        "the slate's reservation was released or has expired",
        field="slate_id",
        expected="a slate that is still being made; repeat the request to make another",
        found=slate_id,
    )


def _encoded(arguments: Arguments | None) -> str:
    return "" if arguments is None else json.dumps(dict(arguments), sort_keys=True)


def _other_arguments(stored: str, given: str) -> AlreadyExists:
    before, now = json.loads(stored), json.loads(given)
    changed = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    values = [(name, now.get(name, "left out"), before.get(name, "left out")) for name in changed]
    return AlreadyExists(
        "the request id was used with other arguments",
        field="request_id",
        expected="the same arguments, or another request_id",
        found="; ".join(f"{name}: {value}, was {was}" for name, value, was in values),
    )


def _being_made(request_id: str) -> Unavailable:
    return Unavailable(
        "the slate of this request is being made by another call",
        field="request_id",
        expected="a request that is not under way",
        found=request_id,
        retry_after_s=1.0,
    )
