"""Which due sessions are refitted together."""

from __future__ import annotations

from collections.abc import Sequence

from apa.records.session import Session, SessionConfig

QUICK = {"linear": ("scalar", "binary", "pairwise", "ranking"), "gp": ("scalar",)}
"""Kinds of answers, by family, of which many sessions' fits take less than a lease, and are one batch. One of
the others takes up to a second or two: each is its own batch, so that workers share them and none outlasts
its lease behind the others."""


def batches(sessions: Sequence[Session], most: int) -> list[list[Session]]:
    """Sessions that share one computation, up to `most` in each; the first batch has the longest waiting.

    Args:
        sessions: those waiting longest first.
    """
    found: list[list[Session]] = []
    open_batch: dict[object, list[Session]] = {}
    for session in sessions:
        config = session.config
        group = (config.prior, config.surrogate, config.feedback_kind, bool(config.cohort))
        batch = open_batch.get(group, [])
        if not batch or len(batch) >= most or not _is_quick(config):
            batch = open_batch[group] = []
            found.append(batch)
        batch.append(session)
    return found


def _is_quick(config: SessionConfig) -> bool:
    return not config.cohort and config.feedback_kind in QUICK.get(config.surrogate, ())
