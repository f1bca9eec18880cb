"""A real Prometheus scrapes the real stack under a little traffic: what dashboard and alerts ask is there."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from apa.client import Client
from apa.local.stack import LocalStack
from deploy.grafana import dashboard
from simulation.shopper import SessionPlan, shop
from tests.deploy.prometheus_server import Prometheus, running
from tests.deploy.test_prometheus import alerts
from tests.deploy.tools import installed
from tests.waiting import wait_until

pytestmark = pytest.mark.slow

PLAN = SessionPlan(budget=8, particles_per_round=4, num_particles=8)
RATE_INTERVAL = "10s"
SELECTOR = re.compile(r"\b(?:apa_\w+|grpc_server_\w+|up)\b(?:\{[^}]*\})?")
CHOOSES_FAILURES = re.compile(r'grpc_status|result="failed"')
"""Selectors that a healthy stack has nothing for."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    installed("prometheus", "prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    with LocalStack() as stack, _traffic(stack), running(folder, stack.metrics) as server:
        yield server


@contextmanager
def _traffic(stack: LocalStack) -> Iterator[None]:
    """Shoppers, one after another, until the end."""
    stop = threading.Event()
    failures: list[Exception] = []

    def likes_bright(items: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.asarray(items.reshape(len(items), -1).mean(axis=1), np.float64)

    def shop_on() -> None:
        try:
            with Client(sampler=stack.sampler, feedback=stack.feedback) as client:
                while not stop.is_set():
                    shop(client, PLAN, likes_bright)
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=shop_on)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failures == []


def test_every_target_is_up(prometheus: Prometheus) -> None:
    everyone = {"sampler": True, "feedback": True, "trainer": True}
    wait_until(lambda: prometheus.up() == everyone, 30, f"every target being up ({prometheus.up()})")


def test_every_expression_of_the_dashboard_has_data(prometheus: Prometheus) -> None:
    _all_have_data(prometheus, [_resolved(expr) for expr in dashboard.expressions()])


def test_every_alert_is_evaluated_without_an_error(prometheus: Prometheus) -> None:
    names = {alert["alert"] for alert in alerts()}
    wait_until(lambda: prometheus.rule_errors().keys() == names, 30, "every rule being evaluated")
    assert set(prometheus.rule_errors().values()) == {""}


def test_the_series_that_the_alerts_select_exist(prometheus: Prometheus) -> None:
    selectors = {found for alert in alerts() for found in SELECTOR.findall(alert["expr"])}
    assert selectors
    _all_have_data(prometheus, [name for name in selectors if not CHOOSES_FAILURES.search(name)])


def _resolved(expr: str) -> str:
    """An expression as Grafana would send it, its template variables replaced."""
    resolved = expr.replace("$__rate_interval", RATE_INTERVAL)
    assert "$" not in resolved
    return resolved


def _all_have_data(prometheus: Prometheus, exprs: list[str]) -> None:
    """Asks again for those that had none yet: a rate needs two scrapes, and traffic between them."""
    waiting = set(exprs)

    def none_is_waiting() -> bool:
        # As often as the data changes; more would take the processor from the stack.
        time.sleep(0.2)
        waiting.difference_update([expr for expr in waiting if prometheus.values(expr)])
        return not waiting

    try:
        wait_until(none_is_waiting, 45)
    except AssertionError:
        pytest.fail("no data:\n" + "\n".join(sorted(waiting)))
