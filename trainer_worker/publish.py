"""Making a fitted surrogate the session's current one."""

from __future__ import annotations

from apa.records.session import SurrogateFamily, SurrogateVersion
from apa.store.due import Lease
from apa.store.surrogates import SurrogateStore
from apa.surrogates import version_of


def publish(
    store: SurrogateStore,
    lease: Lease,
    family: SurrogateFamily,
    blob: bytes,
    *,
    trained_events: int,
    newest_answer_at: float,
    now: float,
) -> bool:
    """Publish an artifact that passed the gate; False when a newer refit has overtaken it.

    Args:
        trained_events: how many of the session's events it was fitted on.
        newest_answer_at, now: Unix seconds.
    """
    version = SurrogateVersion(
        version=version_of(blob),
        family=family,
        trained_events=trained_events,
        published_at=now,
        newest_answer_at=newest_answer_at,
    )
    return store.publish(lease, version, blob)
