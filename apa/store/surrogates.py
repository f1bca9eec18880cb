"""Published surrogates: the artifact first, then the pointer, then the hint."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import redis

from apa import keys
from apa.errors import ApaError, DataLoss, InvalidArgument, NotFound
from apa.records.session import SurrogateVersion
from apa.store.cohorts import Membership, key_of
from apa.store.connection import guarded, unavailable
from apa.store.due import Lease
from apa.store.lua import script, text
from apa.store.many import outcomes
from apa.store.stored import loaded, unknown_session

KEPT_VERSIONS = 5
MIN_HASH_CHARS = 8

Fitted = tuple[Lease, SurrogateVersion, bytes]
"""An artifact, and by which right it becomes which version."""


@dataclass(frozen=True)
class Steering:
    """What steers a session's runs."""

    version: SurrogateVersion
    is_pinned: bool


class SurrogateStore:
    """Versions are named by content: a prefix of the artifact's SHA-256, in hexadecimal."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._store = script(client, "store_surrogate")
        self._publish = script(client, "publish_surrogate")
        self._pin = script(client, "pin_surrogate")
        self._release = script(client, "release_surrogate")

    @guarded
    def publish(self, lease: Lease, version: SurrogateVersion, blob: bytes) -> bool:
        """Stores the artifact, validates what was stored, and makes it current.

        False when it is not: another refit has begun since the lease was taken, a newer one is published, or
        the session is gone. While an older version is pinned, that one goes on steering.

        Raises:
            InvalidArgument: the version is not the hash of the blob.
            DataLoss: what Redis stored is not what was written.
        """
        (published,) = self.publish_many([(lease, version, blob)])
        if isinstance(published, ApaError):
            raise published
        return published

    @guarded
    def publish_many(
        self, fitted: Sequence[Fitted], shares: Mapping[str, Membership] | None = None
    ) -> list[bool | ApaError]:
        """`publish` of each, in two round trips for all of them.

        Args:
            shares: of cohorts, by session, kept in the step that makes the session's surrogate current.
        """
        shares = shares or {}
        for _, version, blob in fitted:
            _check_name(version.version, blob)
        stored = self._store_blobs(fitted)
        pipeline = self._client.pipeline(transaction=False)
        sound = [one for one, found in zip(fitted, stored, strict=True) if found is True]
        for lease, version, _ in sound:
            self._queue_pointer(pipeline, lease, version, shares.get(lease.session_id))
        replies = pipeline.execute(raise_on_error=False)
        moved = iter(outcomes(sound, replies, lambda _, reply: text(reply) == "published"))
        return [next(moved) if found is True else found for found in stored]

    def _store_blobs(self, fitted: Sequence[Fitted]) -> list[bool | ApaError]:
        """Writes the artifacts and reads each back; False for one whose session is gone."""
        pipeline = self._client.pipeline(transaction=False)
        for lease, version, blob in fitted:
            session_id = lease.session_id
            key = keys.surrogate_blob(session_id, version.version)
            of_session = [keys.session(session_id), key, keys.surrogate_blobs(session_id)]
            self._store(keys=of_session, args=[version.version, blob], client=pipeline)
            pipeline.get(key)
        replies = pipeline.execute(raise_on_error=False)
        return outcomes(fitted, list(zip(replies[::2], replies[1::2], strict=True)), _read_back)

    def _queue_pointer(
        self,
        pipeline: redis.client.Pipeline,
        lease: Lease,
        version: SurrogateVersion,
        member: Membership | None,
    ) -> None:
        session_id = lease.session_id
        self._publish(
            keys=[
                keys.surrogate_pointer(session_id),
                keys.surrogate_versions(session_id),
                keys.fence(session_id),
                keys.surrogate_blob(session_id, version.version),
                keys.refit_failure(session_id),
                keys.surrogate_blobs(session_id),
                keys.cohorts(session_id),
            ],
            args=[
                session_id,
                version.version,
                version.trained_events,
                version.model_dump_json(),
                lease.token,
                KEPT_VERSIONS,
                keys.surrogate_blob(session_id, ""),
                keys.PUBLISHED_CHANNEL,
                "" if member is None else key_of(session_id, member.cohort),
                b"" if member is None else member.share,
            ],
            client=pipeline,
        )

    @guarded
    def current(self, session_id: str) -> SurrogateVersion | None:
        """The newest published surrogate; None before the first."""
        return _version(session_id, self._client.hget(keys.surrogate_pointer(session_id), "record"))

    @guarded
    def current_of(self, session_ids: Sequence[str]) -> list[SurrogateVersion | ApaError | None]:
        """`current` of each, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            pipeline.hget(keys.surrogate_pointer(session_id), "record")
        return outcomes(session_ids, pipeline.execute(raise_on_error=False), _version)

    @guarded
    def steering(self, session_id: str) -> Steering | None:
        """What the next run is steered by: the pinned version, else the newest; None before the first."""
        pinned, newest = self._client.hmget(keys.surrogate_pointer(session_id), ["pinned_record", "record"])
        raw = pinned or newest
        return None if raw is None else Steering(loaded(SurrogateVersion, raw), is_pinned=pinned is not None)

    @guarded
    def pin(self, session_id: str, version: str) -> None:
        """Lets a kept version steer, whatever is published, until it is released. It is kept as long.

        Raises:
            NotFound: no such session, or no such version of it; the error names those that are kept.
        """
        status, *kept = self._pin(
            keys=[
                keys.surrogate_pointer(session_id),
                keys.surrogate_versions(session_id),
                keys.session(session_id),
            ],
            args=[version],
        )
        match text(status):
            case "unknown_session":
                raise unknown_session(session_id)
            case "not_kept":
                raise _not_kept(version, [text(one) for one in kept])

    @guarded
    def release(self, session_id: str) -> None:
        """Ends a pin: the newest version steers again. Harmless without one. Raises NotFound."""
        of_session = [keys.surrogate_pointer(session_id), keys.session(session_id)]
        (status,) = self._release(keys=of_session, args=[])
        if text(status) == "unknown_session":
            raise unknown_session(session_id)

    @guarded
    def versions(self, session_id: str) -> list[SurrogateVersion]:
        """The versions that are kept, newest first."""
        return _versions(session_id, self._client.lrange(keys.surrogate_versions(session_id), 0, -1))

    @guarded
    def versions_of(self, session_ids: Sequence[str]) -> list[list[SurrogateVersion] | ApaError]:
        """`versions` of each, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for session_id in session_ids:
            pipeline.lrange(keys.surrogate_versions(session_id), 0, -1)
        return outcomes(session_ids, pipeline.execute(raise_on_error=False), _versions)

    @guarded
    def blob(self, session_id: str, version: str) -> bytes:
        """The artifact of a version.

        Raises:
            NotFound: no such version, or it is kept no longer.
            DataLoss: the stored bytes do not have the version's hash.
        """
        return _blob(version, self._client.get(keys.surrogate_blob(session_id, version)))

    @guarded
    def blobs(self, wanted: Sequence[tuple[str, str]]) -> list[bytes | ApaError]:
        """`blob` of each session and version, in one round trip."""
        pipeline = self._client.pipeline(transaction=False)
        for session_id, version in wanted:
            pipeline.get(keys.surrogate_blob(session_id, version))
        replies = pipeline.execute(raise_on_error=False)
        return outcomes(wanted, replies, lambda one, raw: _blob(one[1], raw))


def _version(_: str, raw: bytes | str | None) -> SurrogateVersion | None:
    return None if raw is None else loaded(SurrogateVersion, raw)


def _versions(_: str, raw: Sequence[bytes | str]) -> list[SurrogateVersion]:
    return [loaded(SurrogateVersion, record) for record in raw]


def _blob(version: str, raw: object) -> bytes:
    if raw is None:
        raise NotFound(
            "no such surrogate, or it is kept no longer",
            field="surrogate_version",
            expected=f"one of the newest {KEPT_VERSIONS} versions of the session",
            found=version,
        )
    assert isinstance(raw, bytes)
    if not _matches(version, raw):
        raise DataLoss(
            "a stored surrogate is damaged",
            field="surrogate_version",
            expected=version,
            found=hashlib.sha256(raw).hexdigest()[: len(version)],
        )
    return raw


def _read_back(fitted: Fitted, replies: tuple[object, object]) -> bool:
    for reply in replies:
        if isinstance(reply, redis.RedisError):
            raise unavailable(reply)
    _, blob = replies
    # Its session was deleted, or another publisher of the same contents was refused and removed them.
    return blob is not None and bool(_blob(fitted[1].version, blob))


def _check_name(version: str, blob: bytes) -> None:
    if not _matches(version, blob):
        raise InvalidArgument(
            "the version is not the hash of the artifact",
            field="version",
            expected=f"{hashlib.sha256(blob).hexdigest()}, or its first characters",
            found=version,
        )


def _not_kept(version: str, kept: Sequence[str]) -> NotFound:
    return NotFound(
        "no such surrogate, or it is kept no longer",
        field="version",
        expected=f"one of {', '.join(kept)}"
        if kept
        else "a version, once one is published: there is none yet",
        found=version,
    )


def _matches(version: str, blob: bytes) -> bool:
    return len(version) >= MIN_HASH_CHARS and hashlib.sha256(blob).hexdigest().startswith(version)
