"""The commands against stand-in services, as a person and as a script see them."""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apa.cli import addresses
from apa.cli.main import main
from apa.pb import sampler_pb2
from apa.records.prior_card import PriorCard
from apa.records.session import Ledger, RefitQuality, SurrogateVersion
from apa.records.shown import SessionView
from tests.apa import fake_services
from tests.apa.fake_services import Fakes, serving


@pytest.fixture(autouse=True)
def _a_home_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for key in ("APA_SAMPLER", "APA_FEEDBACK", "REDIS_URL"):
        monkeypatch.delenv(key, raising=False)


@pytest.fixture
def fakes() -> Fakes:
    return Fakes()


@pytest.fixture
def address(fakes: Fakes, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    with serving(fakes) as address:
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
def test_a_session_says_how_well_its_answers_were_foreseen(apa: Shell, fakes: Fakes) -> None:
    session = created(apa)
    assert "foreseen" not in apa("session", "show", session)[1]
    quality = RefitQuality(num_answers=8, coverage=0.75, gap=1.0, gap_error=0.25, beta_factor=0.5)
    fakes.sessions[session] = replace(
        fakes.sessions[session],
        surrogate=SurrogateVersion(
            version="v", family="linear", trained_events=16, published_at=1e9, quality=quality
        ),
    )
    _, out, _ = apa("session", "show", session)
    assert "75% of the last 8 answers within 90% intervals, predicted +1.00 ± 0.25 std too high" in out
    assert "beta is multiplied by 0.50" in out
    assert apa.json("session", "show", session)["surrogate"]["quality"]["gap"] == 1.0


@pytest.mark.usefixtures("address")
def test_a_session_says_what_it_asks_and_of_whom(apa: Shell) -> None:
    session = created(
        apa,
        *("--feedback-kind", "binary", "--rater", "ada", "--rater", "ben", "--aggregation", "least_misery"),
        *("--wait", "60", "--default-reward", "0"),
    )
    config = apa.json("session", "show", session)["config"]
    assert (config["feedback_kind"], config["raters"]) == ("binary", ["ada", "ben"])
    assert (config["answer_wait_s"], config["default_reward"]) == (60.0, 0.0)
    _, out, _ = apa("session", "show", session)
    assert "binary answers of ada, ben (least_misery) within 60 s else 0" in out
    cnn = created(apa, "--surrogate", "cnn", "--refit-on", "round")
    assert apa.json("session", "show", cnn)["config"]["refit_on"] == "round"


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize(
    ("arguments", "kind", "said"),
    [
        (["p=1.5"], "scalar", ["p"]),
        (["p=yes", "q=no"], "binary", ["p", "q"]),
        (["--prefer", "p,q", "--prefer", "r,q"], "pairwise", ["p over q", "r over q"]),
        (["--ranking", "p", "q", "r"], "ranking", ["p, q, r"]),
    ],
)
def test_answers_of_every_kind_are_recorded(
    apa: Shell, fakes: Fakes, arguments: list[str], kind: str, said: list[str]
) -> None:
    code, out, err = apa("feedback", created(apa), *arguments, "--rater", "ada")
    assert code == 0, err
    events = fakes.seen[-1].events
    assert [event.WhichOneof("answer") for event in events] == [kind] * len(said)
    assert {event.rater for event in events} == {"ada"}
    rows = out.splitlines()[1:]
    assert [row.split("  ")[0] for row in rows] == said
    assert f"recorded as {events[0].feedback_id}, " in rows[0]


@pytest.mark.usefixtures("address")
def test_a_correction_names_what_it_corrects(apa: Shell, fakes: Fakes) -> None:
    session = created(apa)
    (first,) = apa.json("feedback", session, "p=1")
    apa.json("feedback", session, "p=2", "--supersedes", first["feedback_id"])
    assert fakes.seen[-1].events[0].supersedes == first["feedback_id"]
    code, _, err = apa("feedback", session, "p=2", "q=1", "--supersedes", first["feedback_id"])
    assert code == 1
    assert "2 feedback ids, one for each answer in order" in err


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ([], "PARTICLE=REWARD"),
        (["--prefer", "p"], "--prefer"),
        (["--prefer", "p,p"], "other"),
        (["--ranking", "p"], "particle_ids"),
        (["--ranking", "p", "p"], "particle_ids"),
        (["p=maybe"], "PARTICLE=REWARD"),
    ],
)
def test_what_is_no_answer_of_a_kind_is_refused_before_a_service_is_looked_for(
    apa: Shell, arguments: list[str], field: str
) -> None:
    code, out, err = apa("feedback", "s", *arguments)
    assert (code, out) == (1, "")
    assert f"field: {field};" in err


@pytest.mark.usefixtures("address")
def test_people_get_tables(apa: Shell) -> None:
    session = created(apa, "--user", "ada")
    _, out, _ = apa("sample", session)
    assert "Film 1 (1991)" in out
    assert f"{session}.0.1" in out
    assert f"apa feedback {session} PARTICLE=REWARD ..." in out
    _, out, _ = apa("session", "show", session)
    assert "0 of 8" in out
    _, out, _ = apa("session", "list")
    assert session in out
    assert "ada" in out


@pytest.mark.usefixtures("address")
def test_a_slate_says_why_each_item_is_shown_where_asked(apa: Shell) -> None:
    session = created(apa)
    _, out, _ = apa("sample", session, "--explain")
    assert "\n2. Film 1 (1991): Among the highest by score, shown with probability 0.5.\n" in out
    items = apa.json("sample", session, "--explain")["slate"]["items"]
    assert [item["explanation"] for item in items] == [
        "Among the highest by score, shown with probability 0.5."
    ] * 2
    assert "explanation" not in apa.json("sample", session)["slate"]["items"][0]


@pytest.mark.usefixtures("address")
def test_an_answer_that_is_refused_does_not_hide_the_others_and_ends_with_1(apa: Shell) -> None:
    session = created(apa)
    answers = [f"p{one}=1" for one in range(9)]
    code, out, err = apa("feedback", session, *answers)
    assert code == 1
    assert out.count("recorded") == 8
    assert out.count("refused: the budget is spent") == 1
    assert "\napa: the budget is spent; field: budget" in err


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
def test_a_run_says_which_route_it_took_why_and_what_that_cost(apa: Shell) -> None:
    command = ("sample", "--prior", "toy", "--route", "auto")
    code, out, _ = apa(*command)
    assert code == 0
    assert "route steer, 60 denoiser evaluations: as asked" in out
    said = apa.json(*command)
    assert said["sampling"] == {"route": "auto"}
    assert (said["route"], said["route_reason"], said["denoiser_evaluations"]) == ("steer", "as asked", 60)
    code, _, err = apa("sample", "--prior", "toy", "--route", "walk")
    assert code == 2
    assert "--route" in err


@pytest.mark.usefixtures("address")
def test_a_steered_run_says_what_it_is_worth_and_an_unsteered_one_has_nothing_to_say(apa: Shell) -> None:
    session = created(apa)
    code, out, _ = apa("sample", session)
    assert code == 0
    assert "log Z 3.1 [2.9, no upper end], KL 4.2, 5.5 effective ancestors: adequate" in out
    assert apa.json("sample", session)["certificate"] == {
        "log_z": 3.1,
        "log_z_lower": 2.9,
        "log_z_upper": None,
        "kl_to_prior": 4.2,
        "effective_ancestors": 5.5,
        "adequate": True,
    }
    assert apa.json("sample", "--prior", "toy")["certificate"] is None


@pytest.mark.usefixtures("address")
def test_previews_of_a_run_are_written_beside_its_particles(apa: Shell, tmp_path: Path) -> None:
    command = ("sample", "--prior", "toy", "-n", "4", "--steps", "6", "--npy", str(tmp_path / "x.npy"))
    code, out, _ = apa(*command, "--previews", "2")
    assert code == 0
    assert "4 particles" in out
    assert np.load(tmp_path / "x.npy").shape == (4, 3)
    assert np.load(tmp_path / "x.previews.npy").shape == (6, 2, 3)


def test_previews_without_a_file_to_write_them_beside_are_refused(apa: Shell) -> None:
    code, out, err = apa("sample", "--prior", "toy", "--previews", "2")
    assert (code, out) == (1, "")
    assert "field: --previews; expected: --png or --npy with it; found: 2" in err


@pytest.mark.usefixtures("address")
def test_previews_that_cannot_be_written_are_refused_before_the_run(apa: Shell, tmp_path: Path) -> None:
    (tmp_path / "x.previews.npy").mkdir()
    code, out, err = apa("sample", "--prior", "toy", "--previews", "2", "--npy", str(tmp_path / "x.npy"))
    assert (code, out) == (1, "")
    assert err.startswith("apa: the file cannot be written; field: --previews")


@pytest.mark.usefixtures("address")
def test_a_run_that_previewed_nothing_says_so(
    apa: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fake_services, "_preview", lambda x: None)
    code, _, err = apa("sample", "--prior", "toy", "--previews", "2", "--npy", str(tmp_path / "x.npy"))
    assert code == 0
    assert "no previews: " in err
    assert [path.name for path in tmp_path.glob("x.*")] == ["x.npy"]


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
    for key in ("APA_SAMPLER", "APA_FEEDBACK"):
        monkeypatch.delenv(key)
    addresses.publish(addresses.Addresses(address, address, "", {}, os.getpid()))
    assert apa.json("session", "list") == []
    addresses.withdraw(os.getpid())
    assert apa("session", "list")[0] == 1


def test_of_two_stacks_the_later_is_found_and_after_its_end_the_earlier() -> None:
    earlier, later = os.getppid(), os.getpid()
    first = addresses.Addresses("earlier:1", "", "", {}, earlier, started_at=1.0)
    second = addresses.Addresses("later:1", "", "", {}, later, started_at=2.0)
    addresses.publish(second)
    addresses.publish(first)
    assert addresses.running_stack() == second
    addresses.withdraw(later)
    assert addresses.running_stack() == first
    addresses.withdraw(earlier)
    assert addresses.running_stack() is None
    assert list(addresses.state_folder().iterdir()) == []


def test_the_file_of_a_stack_that_was_killed_is_passed_over() -> None:
    nobody = 2**22 + 1
    addresses.publish(addresses.Addresses("a", "b", "", {}, nobody))
    assert addresses.running_stack() is None
    mine = addresses.Addresses("a", "b", "", {}, os.getpid())
    addresses.publish(mine)
    assert [path.name for path in addresses.state_folder().iterdir()] == [f"stack-{mine.pid}.json"]


def test_priors_are_listed_and_shown_without_a_stack(apa: Shell) -> None:
    cards = apa.json("prior", "list")
    assert "fashion" in [card["name"] for card in cards]
    card = apa.json("prior", "show", "fashion")
    assert card["data_shape"] == [1, 28, 28]
    code, _, err = apa("prior", "show", "nothing")
    assert code == 1
    assert "fashion" in err


NOWHERE = ["/nonexistent/x", "/proc/x", "."]


@pytest.mark.usefixtures("address")
@pytest.mark.parametrize("option", ["--npy", "--png"])
@pytest.mark.parametrize("path", NOWHERE)
def test_a_file_that_cannot_be_written_is_refused_before_the_run(apa: Shell, option: str, path: str) -> None:
    code, out, err = apa("sample", "--prior", "toy", option, path)
    assert (code, out) == (1, "")
    assert err.startswith(f"apa: the file cannot be written; field: {option}; expected: ")
    assert f"found: {path} (" in err
    assert len(err.splitlines()) == 1


def test_a_file_that_cannot_be_written_reserves_no_budget(
    apa: Shell, fakes: Fakes, address: str, tmp_path: Path
) -> None:
    session = created(apa)
    apa("sample", session, "--npy", str(tmp_path / "nothing" / "x.npy"))
    apa("sample", session, "--png", str(tmp_path / "x.png"))
    assert not any(isinstance(request, sampler_pb2.SampleRequest) for request in fakes.seen)
    assert list(tmp_path.glob("x.*")) == []


def test_ids_are_printed_before_a_file_is_written(
    apa: Shell, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    session = created(apa)
    monkeypatch.setattr(np, "save", full)
    code, out, err = apa("sample", session, "--npy", str(tmp_path / "x.npy"))
    assert code == 1
    assert f"{session}.0.1" in out
    assert "No space left on device" in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("address")
def test_a_session_of_vectors_cannot_be_drawn_and_is_not_asked_to(apa: Shell, tmp_path: Path) -> None:
    code, out, err = apa("sample", created(apa), "--png", str(tmp_path / "x.png"))
    assert (code, out) == (1, "")
    assert "nothing to draw" in err
    assert "found: toy, vector of shape 3" in err


def test_to_draw_a_session_the_feedback_service_must_be_known(
    apa: Shell, address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("APA_FEEDBACK")
    code, _, err = apa("sample", "s", "--png", str(tmp_path / "x.png"))
    assert code == 1
    assert "field: --feedback" in err


def toy_catalogue(folder: Path) -> None:
    """A folder of the catalogue prior that the stand-in serves; its particles are 0 1 2, 3 4 5, ..."""
    folder.mkdir(parents=True)
    card = PriorCard(name="toy", kind="vector", data_shape=(3,), decoder="catalogue", feature_dim=0)
    (folder / "card.json").write_text(card.model_dump_json())
    (folder / "config.json").write_text(json.dumps({"weights_sha256": "hash" + "0" * 60}))
    (folder / "items.csv").write_text("item_id,title,year\nQ9,Far,1999\nQ4,Near,1984\n")
    np.save(folder / "vectors.npy", np.array([[90, 90, 90], [1, 1, 1]], dtype=np.float16))


@pytest.mark.usefixtures("address")
def test_particles_of_a_catalogue_come_with_titles(apa: Shell, tmp_path: Path) -> None:
    toy_catalogue(tmp_path / "priors" / "toy")
    command = ("sample", "--prior", "toy", "-n", "2", "--in", str(tmp_path / "priors"))
    code, out, err = apa(*command)
    assert (code, err) == (0, "")
    assert out.count("Near (1984)") == 2
    found = apa.json(*command)
    assert found["prior"] == "toy"
    assert found["particles"][0] == {"item": {"item_id": "Q4", "title": "Near", "year": "1984"}}


@pytest.mark.usefixtures("address")
def test_a_catalogue_that_is_not_here_is_said_to_be_missing(apa: Shell) -> None:
    code, out, err = apa("sample", "--prior", "toy", "-n", "2")
    assert code == 0
    assert "2 particles" in out
    assert err.startswith("no titles: the folder of the prior toy")


@pytest.mark.usefixtures("address")
def test_a_damaged_catalogue_is_one_line(apa: Shell, tmp_path: Path) -> None:
    toy_catalogue(tmp_path / "toy")
    (tmp_path / "toy" / "vectors.npy").write_text("no array")
    code, _, err = apa("sample", "--prior", "toy", "--in", str(tmp_path))
    assert code == 1
    assert "catalogue cannot be read" in err
    assert len(err.splitlines()) == 1


def reserved(fakes: Fakes, session: str, spent: int, reserved: int) -> None:
    view = fakes.sessions[session]
    fakes.sessions[session] = SessionView(view.session, Ledger(spent=spent, reserved=reserved))


@pytest.fixture
def _nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fake_services._slate
    monkeypatch.setattr(fake_services, "_slate", lambda view, x: replace(whole(view, x), asked=0))


@pytest.mark.usefixtures("address", "_nothing_is_asked")
def test_a_slate_that_asks_nothing_says_what_holds_the_budget(apa: Shell, fakes: Fakes) -> None:
    session = created(apa)
    reserved(fakes, session, 1, 7)
    code, out, err = apa("sample", session)
    assert code == 0
    assert "to answer" not in out
    assert f"apa sample {session} --request-id " in out
    assert "1 of 8 recorded, 7 reserved by slates that wait for an answer, 0 left to ask" in err
    assert f"`apa feedback {session} PARTICLE=REWARD`" in err
    reserved(fakes, session, 8, 0)
    assert "the budget of 8 answers is spent" in apa("sample", session)[2]


@pytest.mark.usefixtures("address", "_nothing_is_asked")
def test_a_slate_that_asks_nothing_says_where_to_look_without_the_feedback_service(
    apa: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = created(apa)
    monkeypatch.delenv("APA_FEEDBACK")
    code, _, err = apa("sample", session)
    assert code == 0
    assert f"apa session show {session}" in err


def test_an_answer_without_budget_says_what_holds_it(apa: Shell, fakes: Fakes, address: str) -> None:
    session = created(apa)
    apa("feedback", session, *(f"p{one}=1" for one in range(8)))
    code, _, err = apa("feedback", session, "p9=1")
    assert code == 1
    assert err.startswith("no budget is left: the budget of 8 answers is spent\napa: ")


def test_what_is_reserved_is_shown_and_listed(apa: Shell, fakes: Fakes, address: str) -> None:
    session = created(apa)
    reserved(fakes, session, 1, 4)
    assert "1 of 8 recorded, 4 reserved" in apa("session", "show", session)[1]
    header, row = apa("session", "list")[1].splitlines()
    assert header.split()[3:] == ["budget", "recorded", "reserved", "left", "to", "ask"]
    assert row.split()[3:] == ["8", "1", "4", "3"]


@pytest.mark.parametrize("address", ["nowhere", "no where:1", ":", "host:"])
def test_what_is_no_address_is_refused(apa: Shell, address: str) -> None:
    code, _, err = apa("session", "list", "--feedback", address)
    assert code == 1
    assert err.startswith("apa: not an address; field: --feedback; expected: HOST:PORT")
    assert err.endswith(f"found: {address}\n")


def test_a_server_that_is_away_is_named(apa: Shell) -> None:
    code, _, err = apa("session", "list", "--feedback", "127.0.0.1:1")
    assert code == 1
    assert "field: --feedback; expected: a server that answers; found: feedback at 127.0.0.1:1" in err


class OtherService(Fakes):
    """A gRPC server of this kind, with neither service."""

    def register(self, server: object) -> list[str]:
        return []


def test_a_server_of_another_kind_is_named(apa: Shell) -> None:
    with serving(OtherService()) as address:
        code, _, err = apa("session", "list", "--feedback", address)
    assert code == 1
    assert f"field: --feedback; expected: feedback; found: feedback at {address}" in err


def test_a_state_folder_that_is_none_is_no_stack(apa: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/dev/null")
    code, _, err = apa("session", "list")
    assert code == 1
    assert "no running stack" in err


def test_a_file_of_a_stack_that_cannot_be_read_is_one_line(apa: Shell, tmp_path: Path) -> None:
    (addresses.state_folder() / "stack-1.json").mkdir(parents=True)
    code, _, err = apa("session", "list")
    assert code == 1
    assert "field: XDG_STATE_HOME" in err
    assert len(err.splitlines()) == 1


def test_a_damaged_card_hides_no_other(apa: Shell, tmp_path: Path) -> None:
    toy_catalogue(tmp_path / "toy")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "card.json").write_text("{}")
    code, out, err = apa("prior", "list", "--in", str(tmp_path))
    assert code == 1
    assert "vectors of 3 numbers" in out
    assert "images, 28 x 28 pixels, grey" in out
    assert "card is damaged" in err


@pytest.mark.parametrize("command", [["prior", "list"], ["prior", "show", "films"], ["sample"]])
def test_a_directory_that_is_not_there_is_refused(apa: Shell, command: list[str], tmp_path: Path) -> None:
    code, out, err = apa(*command, "--in", str(tmp_path / "nothing"))
    assert (code, out) == (1, "")
    assert err.startswith("apa: no such directory; field: --in; expected: an existing directory; found: ")


def test_a_prior_is_shown_with_units(apa: Shell) -> None:
    code, out, _ = apa("prior", "show", "films")
    assert code == 0
    assert re.search(r"^shown as +the nearest of 17,472 items$", out, re.MULTILINE)
    assert re.search(r"^samples +4,000$", out, re.MULTILINE)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        (["--priors", "/nonexistent"], "--priors"),
        (["--folder", "/dev/null/x"], "--folder"),
        (["--sampler-port", "9", "--feedback-port", "9"], "--sampler-port"),
    ],
)
def test_a_stack_that_cannot_start_says_which_option_is_to_blame(
    apa: Shell, options: list[str], field: str
) -> None:
    code, out, err = apa("up", *options)
    assert (code, out) == (1, "")
    assert f"field: {field}; expected: " in err.splitlines()[-1]


def test_a_port_that_is_taken_is_named_with_its_option(apa: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, _, err = apa("up", "--feedback-port", str(port))
    assert code == 1
    assert err.splitlines()[-1].startswith(f"apa: port {port} cannot be used; field: --feedback-port")


@pytest.mark.usefixtures("address")
def test_items_are_scored_the_best_first(apa: Shell) -> None:
    session = created(apa)
    code, out, _ = apa("catalogue", "score", session, "Q2", "Q11", "Q3")
    assert code == 0
    assert [line.split() for line in out.splitlines()[1:]] == [
        ["Q11", "11", "±", "0.25"],
        ["Q3", "3", "±", "0.25"],
        ["Q2", "2", "±", "0.25"],
    ]
    found = apa.json("catalogue", "score", session, "Q2", "Q11")
    assert found["surrogate_version"] == "v1"
    assert found["items"][0] == {"item_id": "Q11", "predicted_mean": 11.0, "predicted_std": 0.25}
    code, _, err = apa("catalogue", "score", "nobody", "Q2")
    assert (code, "nobody" in err) == (1, True)


@pytest.mark.usefixtures("address")
def test_items_are_upserted_from_files_and_deleted(apa: Shell, fakes: Fakes, tmp_path: Path) -> None:
    table, vectors = tmp_path / "items.csv", tmp_path / "vectors.npy"
    table.write_text("item_id,title,in_stock,year\nQ1,One,1,1990\nQ2,Two,no,1991\n", encoding="utf-8")
    np.save(vectors, np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    code, out, err = apa("catalogue", "upsert", "toy", str(table), str(vectors))
    assert code == 0, err
    assert "1 of 2 items written" in out
    sent = fakes.seen[-1]
    assert [(item.item_id, item.title, dict(item.attributes)) for item in sent.items] == [
        ("Q1", "One", {"year": "1990"}),
        ("Q2", "Two", {"year": "1991"}),
    ]
    assert [item.in_stock or not item.HasField("in_stock") for item in sent.items] == [True, False]
    assert list(sent.vectors.shape) == [2, 3]
    assert apa.json("catalogue", "delete", "toy", "Q1", "Q2")["changed"] == 2
    assert list(fakes.seen[-1].item_ids) == ["Q1", "Q2"]


@pytest.mark.parametrize(
    ("table", "vectors", "named"),
    [
        ("item_id,name\nQ1,One\n", [[1.0]], "items.csv"),
        ("item_id,title\nQ1,One,extra\n", [[1.0]], "items.csv"),
        ("item_id,title,in_stock\nQ1,One,perhaps\n", [[1.0]], "items.csv"),
        ("item_id,title\nQ1,One\n", [[1.0], [2.0]], "vectors.npy"),
        ("item_id,title\nQ1,One\n", [1.0], "vectors.npy"),
    ],
)
def test_files_that_hold_no_items_are_refused_by_name(
    apa: Shell, tmp_path: Path, table: str, vectors: Any, named: str
) -> None:
    (tmp_path / "items.csv").write_text(table, encoding="utf-8")
    np.save(tmp_path / "vectors.npy", np.array(vectors))
    files = [str(tmp_path / name) for name in ("items.csv", "vectors.npy")]
    code, _, err = apa("catalogue", "upsert", "toy", *files, "--sampler", "127.0.0.1:1")
    assert (code, named in err) == (1, True)


@pytest.mark.usefixtures("address")
def test_a_slate_is_asked_for_without_some_items_or_of_some_only(apa: Shell, fakes: Fakes) -> None:
    session = created(apa)
    apa("sample", session, "--exclude", "Q1", "--exclude", "Q2", "--only", "Q3")
    asked = next(one for one in reversed(fakes.seen) if isinstance(one, sampler_pb2.SampleRequest))
    assert (list(asked.exclude_item_ids), list(asked.only_item_ids)) == (["Q1", "Q2"], ["Q3"])
