"""The commands against stand-in services, as a person and as a script see them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apa.cli import addresses
from apa.cli.main import main
from tests.apa.fake_services import Fakes, serving


@pytest.fixture(autouse=True)
def _a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for key in ("APA_SAMPLER", "APA_FEEDBACK"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(Fakes()) as address:
        monkeypatch.setenv("APA_SAMPLER", address)
        monkeypatch.setenv("APA_FEEDBACK", address)
        yield address


class Shell:
    """Runs `apa ...` in this process; gives its exit code and what it printed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[object, str, str]:
        self._monkeypatch.setattr("sys.argv", ["apa", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = self._capsys.readouterr()
        return ended.value.code, out, err

    def json(self, *arguments: str) -> Any:
        code, out, err = self(*arguments, "--json")
        assert code == 0, err
        return json.loads(out)


@pytest.fixture
def apa(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(monkeypatch, capsys)


def created(apa: Shell, *options: str) -> str:
    code, out, err = apa("session", "create", "toy", "--budget", "8", "--per-round", "2", *options)
    assert code == 0, err
    return out.strip()


@pytest.mark.usefixtures("address")
def test_a_session_from_its_creation_to_its_refit(apa: Shell) -> None:
    session = created(apa, "--user", "ada")
    slate = apa.json("sample", session)["slate"]
    assert [item["item"]["title"] for item in slate["items"]] == ["Film 0", "Film 1"]
    answers = [f"{item['particle_id']}={reward}" for item, reward in zip(slate["items"], "10", strict=True)]
    code, out, _ = apa("feedback", session, *answers, "--wait")
    assert code == 0
    assert out.count("recorded") == 2
    shown = apa.json("session", "show", session)
    assert (shown["spent"], shown["remaining"], shown["surrogate"]["trained_events"]) == (2, 6, 2)


@pytest.mark.usefixtures("address")
def test_people_get_tables(apa: Shell) -> None:
    session = created(apa, "--user", "ada")
    _, out, _ = apa("sample", session)
    assert "Film 1 (1991)" in out
    assert f"{session}.0.1" in out
    _, out, _ = apa("session", "show", session)
    assert "0 of 8" in out
    _, out, _ = apa("session", "list")
    assert session in out
    assert "ada" in out


@pytest.mark.usefixtures("address")
def test_an_answer_that_is_refused_does_not_hide_the_others_and_ends_with_1(apa: Shell) -> None:
    session = created(apa)
    answers = [f"p{one}=1" for one in range(9)]
    code, out, err = apa("feedback", session, *answers)
    assert code == 1
    assert out.count("recorded") == 8
    assert out.count("refused: the budget is spent") == 1
    assert err.startswith("apa: the budget is spent; field: budget")


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("answer", ["p", "p=", "=1", "p=one", "p=nan"])
def test_what_is_no_answer_is_refused_before_anything_is_sent(apa: Shell, answer: str) -> None:
    code, out, err = apa("feedback", created(apa), answer)
    assert (code, out) == (1, "")
    assert len(err.splitlines()) == 1
    assert "found" in err


def test_two_answers_for_one_particle_are_refused(apa: Shell) -> None:
    code, _, err = apa("feedback", "s", "p=1", "p=2")
    assert code == 1
    assert "each id once" in err


@pytest.mark.usefixtures("address")
def test_an_error_is_one_line_with_what_was_expected_and_found(apa: Shell) -> None:
    code, out, err = apa("session", "create", "toy", "--budget", "0")
    assert (code, out) == (1, "")
    assert err == (
        "apa: SessionConfig is not valid; field: budget; expected: greater than or equal to 1; found: 0\n"
    )


def test_wrong_usage_ends_with_2(apa: Shell) -> None:
    code, _, err = apa("session", "create", "toy")
    assert code == 2
    assert "--budget" in err


@pytest.mark.usefixtures("address")
def test_particles_of_a_prior_are_written_as_an_array(apa: Shell, tmp_path: Path) -> None:
    code, out, _ = apa("sample", "--prior", "toy", "-n", "4", "--npy", str(tmp_path / "x.npy"))
    assert code == 0
    assert "4 particles" in out
    assert np.load(tmp_path / "x.npy").shape == (4, 3)


@pytest.mark.usefixtures("address")
def test_vectors_cannot_be_drawn(apa: Shell, tmp_path: Path) -> None:
    code, _, err = apa("sample", "--prior", "toy", "--png", str(tmp_path / "x.png"))
    assert code == 1
    assert "nothing to draw" in err


def test_without_a_stack_the_error_says_what_to_do(apa: Shell) -> None:
    code, _, err = apa("session", "list")
    assert code == 1
    assert "apa up" in err
    assert "APA_FEEDBACK" in err


def test_the_stack_of_another_terminal_is_found(
    apa: Shell, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os

    for key in ("APA_SAMPLER", "APA_FEEDBACK"):
        monkeypatch.delenv(key)
    addresses.publish(addresses.Addresses(address, address, "", {}, os.getpid()))
    assert apa.json("session", "list") == []
    addresses.withdraw(os.getpid())
    assert apa("session", "list")[0] == 1


def test_the_file_of_a_stack_that_was_killed_is_passed_over() -> None:
    nobody = 2**22 + 1
    addresses.publish(addresses.Addresses("a", "b", "", {}, nobody))
    assert addresses.running_stack() is None


def test_priors_are_listed_and_shown_without_a_stack(apa: Shell) -> None:
    cards = apa.json("prior", "list")
    assert "fashion" in [card["name"] for card in cards]
    card = apa.json("prior", "show", "fashion")
    assert card["data_shape"] == [1, 28, 28]
    code, _, err = apa("prior", "show", "nothing")
    assert code == 1
    assert "fashion" in err
