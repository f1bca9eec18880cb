"""Many sessions, four workers, one of them killed every ten seconds: is all learnt from, once?"""

from __future__ import annotations

import random
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from apa.records.feedback import Feedback
from apa.store.connection import Client, connect
from apa.store.due import DueStore
from apa.store.ledger import FeedbackLedger
from apa.store.sessions import SessionStore
from apa.store.surrogates import SurrogateStore
from benchmarks.refit import people
from benchmarks.refit.processes import redis_in, worker
from benchmarks.report import Row, Scale, row
from feedback_service.hints import Hints

WORKERS, ANSWERS, KILL_EVERY_S = 4, 20, 10.0
RESENT = 0.05
"""Share of the answers that are sent twice, as a caller does who saw no acknowledgement."""
DEADLINE_S = 300.0


def measure(scale: Scale) -> list[Row]:
    sessions = scale.pick(1000, 40)
    with tempfile.TemporaryDirectory() as folder, redis_in(Path(folder)) as url:
        client = connect(url)
        answers = people.create(client, sessions, ANSWERS)
        began = time.perf_counter()
        with _crew(Path(folder), url) as crew:
            _answer(client, url, list(chain.from_iterable(answers)), over_s=scale.pick(75, 8))
            answered_s = time.perf_counter() - began
            _wait_until_learnt(client)
            learnt_s = time.perf_counter() - began
        found = _found(client, [one[0].session_id for one in answers])
    expected, note = sessions * ANSWERS, f"{sessions} sessions, {WORKERS} workers, {crew.kills} killed"
    return [
        row("answers learnt from, of those given", [found.learnt / expected], 1.0, note=note),
        row(
            "answers counted, of those given", [found.spent / expected], 1.0, note=f"{RESENT:.0%} sent twice"
        ),
        row("answers counted more than once", [max(0.0, found.spent - expected)], 0.0, "most"),
        row("sessions whose surrogate has not seen exactly their answers", [found.not_exact], 0.0, "most"),
        row("sessions still due", [found.due], 0.0, "most"),
        row("seconds from the last answer until all are learnt from", [learnt_s - answered_s]),
    ]


@dataclass
class _Found:
    learnt: float = 0.0
    spent: float = 0.0
    not_exact: float = 0.0
    due: float = 0.0


def _found(client: Client, names: list[str]) -> _Found:
    ledgers, surrogates, store = SessionStore(client), SurrogateStore(client), FeedbackLedger(client)
    found = _Found(due=float(DueStore(client).count()))
    for name in names:
        current = surrogates.current(name)
        trained = 0 if current is None else current.trained_events
        spent = ledgers.ledger(name).spent
        events = {event.feedback_id for event in store.events(name)}
        found.learnt += trained
        found.spent += spent
        found.not_exact += not trained == spent == len(events) == ANSWERS
    return found


@dataclass
class _Crew:
    kills: int = 0


@contextmanager
def _crew(folder: Path, url: str) -> Iterator[_Crew]:
    """Workers of which one is killed, and started again, every ten seconds until the end."""
    workers = [worker(folder, url) for _ in range(WORKERS)]
    crew, ended = _Crew(), threading.Event()

    def kill_in_turn() -> None:
        while not ended.wait(KILL_EVERY_S):
            place = crew.kills % WORKERS
            workers[place].kill()
            workers[place] = worker(folder, url)
            crew.kills += 1

    killer = threading.Thread(target=kill_in_turn)
    try:
        for part in workers:
            part.wait()
        killer.start()
        yield crew
    finally:
        ended.set()
        if killer.ident is not None:
            killer.join()
        for part in workers:
            part.kill()


def _answer(client: Client, url: str, answers: list[Feedback], over_s: float) -> None:
    """Record the answers of all sessions mixed, evenly over the time, with a hint for each."""
    order = random.Random(0)
    given = answers + order.sample(answers, int(RESENT * len(answers)))
    order.shuffle(given)
    ledger, hints = FeedbackLedger(client), Hints(url, lambda: None)
    began = time.perf_counter()
    at_once = max(1, len(given) // int(20 * over_s))
    for start in range(0, len(given), at_once):
        time.sleep(max(0.0, began + over_s * start / len(given) - time.perf_counter()))
        part = given[start : start + at_once]
        for one, outcome in zip(part, ledger.record_many(part), strict=True):
            assert not isinstance(outcome, Exception), outcome
            if not outcome.duplicate:
                hints.send([one.session_id])
    hints.close()


def _wait_until_learnt(client: Client) -> None:
    due, deadline = DueStore(client), time.monotonic() + DEADLINE_S
    while due.count() and time.monotonic() < deadline:
        time.sleep(0.1)
