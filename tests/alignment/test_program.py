"""The one command that reproduces the paper, as a user runs it."""

from __future__ import annotations

import subprocess
import sys


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "alignment", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)


def test_algorithm_1_prints_a_line_for_each_round_and_what_it_earned() -> None:
    small = ("--budget", "12", "--per-round", "4", "--particles", "8", "--steps", "3")
    done = _run("fashion", "--taste", "ankle boots", "--algorithm-1", *small)

    assert done.returncode == 0, done.stderr
    told, header, *rounds, last = done.stdout.splitlines()
    assert "surrogate=cnn policy=epsilon_greedy refit_on=round" in told
    assert "corrector=clipped integrator=euler_maruyama" in told
    assert header.split()[:2] == ["round", "answers"]
    assert [line.split()[:2] for line in rounds] == [["0", "4"], ["1", "8"], ["2", "12"]]
    assert "cold_start" in rounds[0]
    assert last.startswith("mean of the last 3 rounds 0.")


def test_a_catalogue_shows_no_item_twice_and_needs_no_picture() -> None:
    done = _run("films", "--taste", "westerns of any age", "--budget", "12", "--per-round", "4")

    assert done.returncode == 0, done.stderr
    assert "surrogate=gp policy=batch_ucb" in done.stdout


def test_a_taste_that_is_not_there_ends_with_those_that_are() -> None:
    done = _run("fashion", "--taste", "hats")

    assert done.returncode == 1
    assert done.stderr.startswith("error: no such taste")
    assert "ankle boots" in done.stderr
