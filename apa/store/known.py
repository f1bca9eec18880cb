"""Writes of many keys, which a session that is deleted meanwhile must not leave behind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import redis

from apa import keys


def while_known(
    client: redis.Redis, session_id: str, queue: Callable[[redis.client.Pipeline], object]
) -> list[Any]:
    """Sends the commands that `queue` adds to the pipeline as one transaction, if the session is there.

    Returns:
        Their replies; none when there is no such session, and nothing was written.
    """

    def watched(pipeline: redis.client.Pipeline) -> None:
        # From here until the transaction the session is watched: deleted in between, this is called again.
        if pipeline.exists(keys.session(session_id)):
            pipeline.multi()
            queue(pipeline)

    replies = client.transaction(watched, keys.session(session_id))
    return replies or []
