"""The two tasks, both thin: a hint that a session is due, and a look for those whose hint was lost."""

from __future__ import annotations

import logging

from celery import Celery

from apa.errors import Unavailable
from trainer_worker.default_answers import DefaultAnswers
from trainer_worker.drain import Drain

REFIT = "trainer_worker.refit"
SWEEP = "trainer_worker.sweep"

logger = logging.getLogger(__name__)


def register(app: Celery, drain: Drain, defaults: DefaultAnswers) -> None:
    """Add the tasks to the application."""

    def run(hinted: str | None = None) -> None:
        try:
            more = drain.run(hinted)
        except Unavailable as error:
            logger.warning("what is due stays due: %s", error)
            return
        if more:
            # Behind the messages that wait by now, so that none waits for a due set that never empties.
            app.send_task(SWEEP)

    def refit(session_id: str) -> None:
        run(session_id)

    def sweep() -> None:
        try:
            more = defaults.give()
        except Unavailable as error:
            logger.warning("default rewards are given by a later sweep: %s", error)
            return
        # After it: whoever is given rewards is due by that.
        run()
        if more:
            app.send_task(SWEEP)

    app.task(name=REFIT)(refit)
    app.task(name=SWEEP)(sweep)
