"""The Celery application: how messages travel, and nothing about what they mean."""

from __future__ import annotations

from typing import Any

from celery import Celery

from trainer_worker.config import TrainerSettings


def build_app(settings: TrainerSettings) -> Celery:
    """An application that talks to the broker; its tasks are added by `trainer_worker.tasks.register`."""
    app = Celery("trainer_worker", broker=settings.broker_url or settings.redis_url, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        event_serializer="json",
        # A message counts as done when its refit is: a killed worker's goes to another.
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # Nobody waits for results: what a refit achieved is in the store.
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
        # However long Redis is away: a worker that gives up at some point helps nobody.
        broker_connection_max_retries=None,
        broker_transport_options=_transport_options(settings),
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_send_task_events=False,
        worker_enable_remote_control=False,
    )
    return app


def _transport_options(settings: TrainerSettings) -> dict[str, Any]:
    return {
        "visibility_timeout": settings.visibility_timeout_s,
        # Untold, kombu looks for lost messages at every tenth occasion only: after about 100 s.
        "unacked_restore_throttle": 1,
        "socket_connect_timeout": 5.0,
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
