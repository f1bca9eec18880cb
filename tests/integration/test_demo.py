"""The demo as a newcomer runs it: it reaches its targets, and nothing is left of it, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import wait_until

APA = Path(sys.executable).with_name("apa")


def children_of(marker: str) -> list[int]:
    """Processes that carry this variable in their environment: all that the demo started, and itself."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and marker.encode() in (entry / "environ").read_bytes():
                found.append(int(entry.name))
        except OSError:
            # It ended meanwhile.
            continue
    return found


def environment(marker: str, without_redis: Path) -> dict[str, str]:
    """This environment with a mark, and neither a Redis on PATH nor one named."""
    inherited = {key: value for key, value in os.environ.items() if key != "REDIS_URL"}
    return inherited | {"APA_TEST_MARK": marker, "PATH": str(without_redis)}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_the_demo_reaches_its_targets_without_redis_on_path_and_leaves_nothing(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    mark = f"demo-{tmp_path.name}-{os.getpid()}"
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [APA, "demo", "--json", str(figures), "--out", str(tmp_path / "pictures")],
        env=environment(mark, tmp_path / "empty"),
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    shoppers = json.loads(figures.read_text())["shoppers"]
    assert len(shoppers) == 4
    assert all(len(shopper["mean_reward_by_round"]) == 10 for shopper in shoppers)
    routes = {route for shopper in shoppers for route in shopper["route_by_round"][1:]}
    assert routes <= {"rank", "pool_start", "steer"}
    assert routes != {"steer"}, "fashion comes with stored draws"
    missed = [shopper for shopper in shoppers if not shopper["reached"]]
    assert not missed, done.stdout
    assert len(list((tmp_path / "pictures").glob("*.png"))) == 4
    assert "apa up" in done.stdout
    assert children_of(mark) == []


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks processes up in /proc")
def test_ctrl_c_ends_every_process_of_the_demo(tmp_path: Path) -> None:
    mark = f"ctrl-c-{tmp_path.name}-{os.getpid()}"
    demo = subprocess.Popen(
        [APA, "demo", "--out", str(tmp_path)],
        env=os.environ | {"APA_TEST_MARK": mark},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert demo.stdout is not None
    assert any("round 0" in line for line in demo.stdout), "the demo ended before its first round"
    assert len(children_of(mark)) >= 5, "the demo, Redis and three services carry the mark"
    # As a terminal does: the whole foreground group gets it.
    os.killpg(demo.pid, signal.SIGINT)
    assert demo.wait(30) != 0
    wait_until(lambda: not children_of(mark), deadline_s=20, what="the end of every process")
