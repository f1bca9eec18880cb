"""The sampler that docs/engine.md shows, run as printed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[3] / "docs" / "engine.md").read_text(encoding="utf-8")


def test_the_example_of_a_sampler_reaches_its_target(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tilted, 98% of the mass is in the mode at 2, both moved by beta v = 0.1: a mean of 2.03. By 1,024
    stored draws and 500 walkers it is off by some 0.05.
    """
    monkeypatch.setattr("sampler_service.routes.registered._registered", {})
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.S)

    exec(program, {})

    found = re.search(r"tensor\(([\d.]+)\)", capsys.readouterr().out)
    assert found is not None
    assert float(found[1]) == pytest.approx(2.03, abs=0.2)
