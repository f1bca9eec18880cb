"""The scrape configuration and the alert rules, checked by Prometheus' own tool."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.tools import DEPLOY, ROOT, installed, output_of

PROMETHEUS = DEPLOY / "prometheus"
RULE_FILES = sorted((PROMETHEUS / "rules").glob("*.yml"))
UNIT_TESTS = sorted((PROMETHEUS / "tests").glob("*.yml"))


def alerts() -> list[dict[str, Any]]:
    groups = [group for path in RULE_FILES for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"] if "alert" in rule]


def test_the_configuration_is_valid() -> None:
    code, text = output_of(
        installed("promtool", "prometheus"), "check", "config", PROMETHEUS / "prometheus.yml"
    )
    assert code == 0, text
    assert f"{len(RULE_FILES)} rule files found" in text


def test_the_rules_are_valid() -> None:
    code, text = output_of(installed("promtool", "prometheus"), "check", "rules", "--lint-fatal", *RULE_FILES)
    assert code == 0, text


@pytest.mark.parametrize("path", UNIT_TESTS, ids=lambda path: path.stem)
def test_the_rules_fire_when_they_should_and_only_then(path: Path) -> None:
    code, text = output_of(installed("promtool", "prometheus"), "test", "rules", path)
    assert code == 0, text


def test_every_alert_is_shown_to_fire_and_to_stay_silent() -> None:
    cases = [
        case
        for path in UNIT_TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    for alert in alerts():
        of_this = [bool(case.get("exp_alerts")) for case in cases if case["alertname"] == alert["alert"]]
        assert set(of_this) == {True, False}, f"{alert['alert']}: {of_this}"


@pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
def test_an_alert_says_how_bad_what_and_where_to_read_on(alert: dict[str, Any]) -> None:
    annotations = alert["annotations"]
    assert alert["labels"]["severity"] in {"critical", "warning"}
    assert annotations["summary"]
    assert annotations["description"]
    page, anchor = annotations["runbook_url"].split("#")
    headings = re.findall(r"^#+ (.+)$", (ROOT / page).read_text(), flags=re.M)
    assert anchor in {heading.lower().replace(" ", "-") for heading in headings}
    assert anchor == alert["alert"].lower()
