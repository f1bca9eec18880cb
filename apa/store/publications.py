"""Hears which sessions' surrogates have moved. A hint: one that is missed is not said again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

import redis

from apa import keys
from apa.store.lua import text

_log = logging.getLogger(__name__)

RETRY_S = 1.0


class Publications:
    """Listens on a thread of its own until `close`, also across a Redis that goes away and comes back.

    Args:
        on_session: called there with each session's id; must return at once.
        on_pause: called about every `pause_s`, and after each notice.
    """

    def __init__(
        self,
        client: redis.Redis,
        on_session: Callable[[str], None],
        on_pause: Callable[[], None] = lambda: None,
        pause_s: float = 1.0,
    ) -> None:
        self._client = client
        self._on_session = on_session
        self._on_pause = on_pause
        self._pause_s = pause_s
        self._closed = threading.Event()

    def listen(self) -> None:
        threading.Thread(target=self._listen, name="publications", daemon=True).start()

    def close(self) -> None:
        self._closed.set()

    def _listen(self) -> None:
        while not self._closed.is_set():
            try:
                self._until_lost()
            except redis.RedisError as error:
                _log.warning("publications cannot be heard just now: %s", type(error).__name__)
            except Exception:
                _log.exception("publications could not be heard")
            self._closed.wait(RETRY_S)

    def _until_lost(self) -> None:
        pubsub: Any = self._client.pubsub  # type: ignore[no-untyped-call, unused-ignore]
        with pubsub(ignore_subscribe_messages=True) as heard:
            heard.subscribe(keys.PUBLISHED_CHANNEL)
            while not self._closed.is_set():
                message = heard.get_message(timeout=self._pause_s)
                if message is not None:
                    self._on_session(text(message["data"]))
                self._on_pause()
