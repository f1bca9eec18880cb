"""Every Redis key, built in one place.

Keys of a session carry its shard as a hash tag (`{s17}`), so that they and the shard's due set share a
cluster slot and one script can touch them all. Nothing else in the project spells a key.
"""

from __future__ import annotations

import zlib

NUM_SHARDS = 64
PUBLISHED_CHANNEL = "apa:published"
"""Pub/sub hint that a surrogate was published; the message is the session id."""


def shard_of(session_id: str) -> int:
    """The shard of a session, stable across releases and languages (CRC-32 of the id)."""
    return zlib.crc32(session_id.encode()) % NUM_SHARDS


def shard_tag(shard: int) -> str:
    return f"{{s{shard}}}"


def _of(session_id: str, what: str) -> str:
    return f"apa:{shard_tag(shard_of(session_id))}:{what}:{session_id}"


def session(session_id: str) -> str:
    """String: the Session record as JSON."""
    return _of(session_id, "session")


def _part(session_id: str, what: str, part_id: str) -> str:
    # No id contains "/", so no session's part can be spelled as another session's.
    return f"{_of(session_id, what)}/{part_id}"


def sessions(shard: int) -> str:
    """Sorted set, all scores 0: the shard's sessions as `tenant/user/session id`, found by prefix."""
    return f"apa:{shard_tag(shard)}:sessions"


def ledger(session_id: str) -> str:
    """Hash: budget, spent, reserved, round_index, num_events; kind and raters where a session names them."""
    return _of(session_id, "ledger")


def events(session_id: str) -> str:
    """List: accepted feedback events as JSON, in order; its length is the training watermark."""
    return _of(session_id, "events")


def receipts(session_id: str) -> str:
    """Hash: feedback id -> digest of its payload, its sequence, what was spent after it, and the id of the
    answer that replaced it."""
    return _of(session_id, "receipts")


def answered(session_id: str) -> str:
    """Hash: subject of an answer, e.g. a particle id -> feedback id of the answer that holds; a default
    reward's after a "~"."""
    return _of(session_id, "answered")


def open_slates(session_id: str) -> str:
    """Sorted set: slates that still reserve budget, by expiry."""
    return _of(session_id, "open_slates")


def unanswered(session_id: str) -> str:
    """Hash: slate id -> answers still reserved."""
    return _of(session_id, "unanswered")


def making(session_id: str) -> str:
    """Hash: slate id -> request id, of slates reserved but not stored yet."""
    return _of(session_id, "making")


def request(session_id: str, request_id: str) -> str:
    """String with a lifetime: the request's slate id, so that repeating the request replays its slate."""
    return _part(session_id, "request", request_id)


def request_arguments(session_id: str, request_id: str) -> str:
    """String with the request's lifetime: its slate id, a space, and its arguments as JSON."""
    return _part(session_id, "request_arguments", request_id)


def slate(session_id: str, slate_id: str) -> str:
    """String with its particles' lifetime until one of them is answered: the Slate record as JSON."""
    return _part(session_id, "slate", slate_id)


def slates(session_id: str) -> str:
    """Sorted set, by creation in ms: slates with a record, and some whose record went since the last."""
    return _of(session_id, "slates")


def passing_slates(session_id: str) -> str:
    """Sorted set: slates that nobody has answered, by when their record goes."""
    return _of(session_id, "passing_slates")


def particle(session_id: str, particle_id: str) -> str:
    """Hash with a lifetime until it is answered: slate id, dtype, shape, data of a shown particle."""
    return _part(session_id, "particle", particle_id)


def shown_items(session_id: str) -> str:
    """Set: catalogue items shown in this session."""
    return _of(session_id, "shown_items")


def due(shard: int) -> str:
    """Sorted set: sessions due for a refit, by the time since when, or until when one that failed rests."""
    return f"apa:{shard_tag(shard)}:due"


def waiting(shard: int) -> str:
    """Sorted set: slates that will be given default rewards, as `session id/slate id`, by when in ms."""
    return f"apa:{shard_tag(shard)}:waiting"


def lease(session_id: str) -> str:
    """Hash with a lifetime: owner and fencing token of the refit under way."""
    return _of(session_id, "lease")


def fence(session_id: str) -> str:
    """Counter: the last fencing token handed out."""
    return _of(session_id, "fence")


def refit_failure(session_id: str) -> str:
    """String: the RefitFailure record of the last refit as JSON; none once one succeeds."""
    return _of(session_id, "refit_failure")


def surrogate_pointer(session_id: str) -> str:
    """Hash: version, trained_events and SurrogateVersion record of the newest surrogate; of a pinned one, its
    version and record too.
    """
    return _of(session_id, "surrogate")


def surrogate_versions(session_id: str) -> str:
    """List: SurrogateVersion records as JSON, newest first."""
    return _of(session_id, "surrogates")


def surrogate_blobs(session_id: str) -> str:
    """Set: versions whose artifact is stored, published or about to be."""
    return _of(session_id, "blobs")


def surrogate_blob(session_id: str, version: str) -> str:
    """String: the safetensors artifact."""
    return _part(session_id, "blob", version)


def cohort(shard: int, tenant: str, name: str, digest: str) -> str:
    """Hash: session id -> what its answers teach the cohort, of the shard's sessions."""
    # No tenant or name contains "/".
    return f"apa:{shard_tag(shard)}:cohort:{tenant}/{name}/{digest}"


def cohorts(session_id: str) -> str:
    """Set: keys of the cohorts that the session has a share of."""
    return _of(session_id, "cohorts")


def all_of(session_id: str) -> list[str]:
    """Every key of a session that is not a part's, in the order of `erase_session.lua`."""
    first = (session, events, answered, making, slates, surrogate_versions, surrogate_blobs, cohorts)
    rest = (
        ledger,
        receipts,
        open_slates,
        unanswered,
        passing_slates,
        shown_items,
        lease,
        fence,
        refit_failure,
        surrogate_pointer,
    )
    return [key(session_id) for key in (*first, *rest)]


def _of_catalogue(prior: str, what: str) -> str:
    # All of a prior's share a cluster slot.
    return f"apa:{{c:{prior}}}:{what}"


def catalogue_items(prior: str) -> str:
    """Hash: item id -> its newest record, also of a deletion; of items that were changed since the folder."""
    return _of_catalogue(prior, "items")


def catalogue_changes(prior: str) -> str:
    """Sorted set: ids of these items, by the revision of their newest change."""
    return _of_catalogue(prior, "changes")


def catalogue_state(prior: str) -> str:
    """Hash: epoch, revision of the newest change, and the largest of a deletion that was forgotten."""
    return _of_catalogue(prior, "state")


def catalogue_deleted(prior: str) -> str:
    """Sorted set: ids of deleted items that are in no folder, by when they are forgotten in ms."""
    return _of_catalogue(prior, "deleted")
