"""Debian's Prometheus as a child process, scraping every second, and the few questions that tests ask it."""

from __future__ import annotations

import json
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from typing import Any, cast

import yaml

from apa.local.parent import dying_with_parent
from apa.local.redis_server import free_port
from tests.deploy.tools import DEPLOY, installed
from tests.waiting import wait_until

SCRAPE_INTERVAL = "1s"
COMMITTED = DEPLOY / "prometheus" / "prometheus.yml"


@dataclass(frozen=True)
class Prometheus:
    url: str

    def values(self, expr: str) -> list[float]:
        """The values of an expression now, one for each of its series that is not NaN.

        Raises:
            AssertionError: Prometheus refuses the expression.
        """
        result = self._get("/api/v1/query", query=expr)["result"]
        values = [float(series["value"][1]) for series in result]
        return [value for value in values if not isnan(value)]

    def up(self) -> dict[str, bool]:
        """Whether the last scrape of each job worked."""
        targets = self._get("/api/v1/targets", state="active")["activeTargets"]
        return {target["labels"]["job"]: target["health"] == "up" for target in targets}

    def rule_errors(self) -> dict[str, str]:
        """What went wrong when each alert was last evaluated, "" for nothing; the others are left out."""
        groups = self._get("/api/v1/rules", type="alert")["groups"]
        rules = [rule for group in groups for rule in group["rules"] if rule["health"] != "unknown"]
        return {rule["name"]: rule.get("lastError", "") for rule in rules}

    def _get(self, path: str, **query: str) -> dict[str, Any]:
        url = f"{self.url}{path}?{urllib.parse.urlencode(query)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return cast(dict[str, Any], json.load(answer)["data"])
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{query}: {error.read().decode()}") from error


@contextmanager
def running(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """A Prometheus with the committed configuration and rules, its targets replaced by local ones.

    Args:
        folder: where it keeps its configuration, data and log.
        targets: URL of the metrics, by job.
    """
    program, port = installed("prometheus", "prometheus"), free_port()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(_config(targets)))
    command = [
        program,
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    log = folder / "prometheus.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            dying_with_parent(command), stdin=subprocess.DEVNULL, stdout=out, stderr=out
        )
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: process.poll() is not None or _ready(url), 30, "Prometheus being ready")
        assert process.poll() is None, log.read_text()
        yield Prometheus(url)
    finally:
        process.terminate()
        process.wait(20)


def _config(targets: Mapping[str, str]) -> dict[str, Any]:
    """The committed configuration with local targets, absolute rule files and a scrape every second."""
    config: dict[str, Any] = yaml.safe_load(COMMITTED.read_text())
    config["global"] = {"scrape_interval": SCRAPE_INTERVAL, "evaluation_interval": SCRAPE_INTERVAL}
    config["rule_files"] = [str(COMMITTED.parent / pattern) for pattern in config["rule_files"]]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    assert set(jobs) == set(targets)
    for name, job in jobs.items():
        address = urllib.parse.urlsplit(targets[name])
        job["metrics_path"] = address.path
        job["static_configs"] = [{"targets": [address.netloc]}]
    return config


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/-/ready", timeout=1) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
