"""Published surrogates: the artifact first, then the pointer, then the hint."""

from __future__ import annotations

import hashlib

import redis

from apa import keys
from apa.errors import DataLoss, InvalidArgument, NotFound
from apa.records.session import SurrogateVersion
from apa.store.connection import guarded
from apa.store.due import Lease
from apa.store.lua import script, text
from apa.store.stored import loaded

KEPT_VERSIONS = 5
MIN_HASH_CHARS = 8


class SurrogateStore:
    """Versions are named by content: a prefix of the artifact's SHA-256, in hexadecimal."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._publish = script(client, "publish_surrogate")

    @guarded
    def publish(self, lease: Lease, version: SurrogateVersion, blob: bytes) -> bool:
        """Stores the artifact, validates what was stored, and makes it current.

        False when it is not: another refit has begun since the lease was taken, or a newer one is published.

        Raises:
            InvalidArgument: the version is not the hash of the blob.
            DataLoss: what Redis stored is not what was written.
        """
        if not _matches(version.version, blob):
            raise InvalidArgument(
                "the version is not the hash of the artifact",
                field="version",
                expected=f"{hashlib.sha256(blob).hexdigest()}, or its first characters",
                found=version.version,
            )
        self._client.set(keys.surrogate_blob(lease.session_id, version.version), blob)
        self.blob(lease.session_id, version.version)
        return self._move_pointer(lease, version) == "published"

    def _move_pointer(self, lease: Lease, version: SurrogateVersion) -> str:
        session_id = lease.session_id
        reply = self._publish(
            keys=[
                keys.surrogate_pointer(session_id),
                keys.surrogate_versions(session_id),
                keys.fence(session_id),
                keys.surrogate_blob(session_id, version.version),
                keys.refit_failure(session_id),
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
            ],
        )
        return text(reply)

    @guarded
    def current(self, session_id: str) -> SurrogateVersion | None:
        """The published surrogate; None before the first."""
        raw = self._client.hget(keys.surrogate_pointer(session_id), "record")
        return None if raw is None else loaded(SurrogateVersion, raw)

    @guarded
    def versions(self, session_id: str) -> list[SurrogateVersion]:
        """The versions that are kept, newest first."""
        raw = self._client.lrange(keys.surrogate_versions(session_id), 0, -1)
        return [loaded(SurrogateVersion, record) for record in raw]

    @guarded
    def blob(self, session_id: str, version: str) -> bytes:
        """The artifact of a version.

        Raises:
            NotFound: no such version, or it is kept no longer.
            DataLoss: the stored bytes do not have the version's hash.
        """
        blob = self._client.get(keys.surrogate_blob(session_id, version))
        if blob is None:
            raise NotFound(
                "no such surrogate, or it is kept no longer",
                field="surrogate_version",
                expected=f"one of the newest {KEPT_VERSIONS} versions of the session",
                found=version,
            )
        assert isinstance(blob, bytes)
        if not _matches(version, blob):
            raise DataLoss(
                "a stored surrogate is damaged",
                field="surrogate_version",
                expected=version,
                found=hashlib.sha256(blob).hexdigest()[: len(version)],
            )
        return blob


def _matches(version: str, blob: bytes) -> bool:
    return len(version) >= MIN_HASH_CHARS and hashlib.sha256(blob).hexdigest().startswith(version)
