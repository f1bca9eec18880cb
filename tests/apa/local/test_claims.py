"""What is found out before a stack starts."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from apa.errors import FailedPrecondition, InvalidArgument, Unavailable
from apa.local.claims import check_ports, check_redis, own_folder
from apa.local.redis_server import free_port


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


def test_a_free_port_and_any_port_are_fine() -> None:
    check_ports({"sampler_port": free_port(), "feedback_port": 0, "another": 0})


def test_a_taken_port_is_named_with_what_sets_it(taken: int) -> None:
    with pytest.raises(Unavailable) as caught:
        check_ports({"sampler_port": 0, "feedback_port": taken})
    assert caught.value.field == "feedback_port"
    assert str(taken) in caught.value.message
    assert str(taken) in caught.value.found
    assert caught.value.expected == "a free port, or 0 for any"


def test_one_port_for_two_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="wanted twice"):
        check_ports({"sampler_port": 50051, "feedback_port": 50051})


def test_a_folder_is_made_and_has_one_owner_at_a_time(tmp_path: Path) -> None:
    with (
        own_folder(tmp_path / "a" / "b") as folder,
        pytest.raises(FailedPrecondition, match="another stack") as caught,
        own_folder(folder),
    ):
        pass
    assert caught.value.found == str(folder)
    with own_folder(folder):
        pass


@pytest.mark.parametrize("name", ["file", "file/below"])
def test_what_cannot_be_a_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InvalidArgument) as caught, own_folder(tmp_path / name):
        pass
    assert caught.value.field == "folder"
    assert str(tmp_path / name) in caught.value.found


def test_a_redis_that_is_away_is_named_without_its_password() -> None:
    url = f"redis://me:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(Unavailable) as caught:
        check_redis(url)
    assert caught.value.field == "REDIS_URL"
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["garbage", "http://h", "redis://h:port/0", ""])
def test_what_is_no_url_of_a_redis_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        check_redis(url)
    assert caught.value.field == "REDIS_URL"
