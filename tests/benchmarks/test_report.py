"""A benchmark's figures: medians, quartiles, verdicts, and a file only where one was asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.report import Row, Scale, ratios, report, row, table


def test_a_row_is_the_median_with_its_quartiles() -> None:
    found = row("speed", [5.0, 1.0, 3.0, 2.0, 4.0])
    assert (found.value, found.low, found.high, found.repeats) == (3.0, 2.0, 4.0, 5)
    assert found.reached is None


@pytest.mark.parametrize(
    ("value", "sense", "reached"),
    [(0.9, "least", True), (0.8, "least", False), (0.8, "most", True), (0.9, "most", False)],
)
def test_a_bound_is_a_least_or_a_most(value: float, sense: str, reached: bool) -> None:
    found = row("speed", [value], 0.85, "least" if sense == "least" else "most")
    assert found.reached is reached


def test_both_ways_take_turns_in_changing_order() -> None:
    calls: list[str] = []
    found = ratios(lambda: calls.append("a"), lambda: calls.append("b"), repeats=3, times=2)
    assert len(found) == 3
    assert "".join(calls) == "ab" + "bbaa" + "aabb" + "bbaa"


def test_the_report_is_printed_and_written_only_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def measure(scale: Scale) -> list[Row]:
        return [row("speed", [2.0], 1.0, note="quick" if scale.quick else "full")]

    report("engine", measure, Scale(quick=True), None)
    assert list(tmp_path.iterdir()) == []
    report("engine", measure, Scale(), tmp_path / "out.json")

    assert "| speed (quick) | at least 1 | 2 | 2 to 2 | 1 | met |" in capsys.readouterr().out
    written = json.loads((tmp_path / "out.json").read_text())
    assert written["rows"][0]["reached"] is True
    assert {"command", "date", "cpu", "cores", "torch", "load_average_before"} <= written.keys()


def test_what_is_missed_is_said() -> None:
    assert table([row("speed", [0.5], 1.0)]).endswith("| not met |")
