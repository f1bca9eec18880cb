"""The dashboard without a Prometheus: generated, complete, and of metrics that exist."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy.grafana import dashboard


def test_the_committed_dashboard_is_what_the_generator_makes() -> None:
    assert dashboard.main(["--check"]) == 0


def test_a_changed_dashboard_is_called_stale(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stale = tmp_path / "apa.json"
    stale.write_text(dashboard.build().replace("Overview", "Edited"))
    monkeypatch.setattr(dashboard, "TARGET", stale)
    assert dashboard.main(["--check"]) == 1


def test_every_expression_of_the_generator_is_in_the_dashboard_once() -> None:
    panels = json.loads(dashboard.TARGET.read_text())["panels"]
    written = [target["expr"] for panel in panels for target in panel.get("targets", [])]
    assert sorted(written) == sorted(dashboard.expressions())
    assert len(set(written)) == len(written)


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(dashboard.TARGET.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
