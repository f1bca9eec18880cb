"""The whole stack as real processes, started once for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from apa.client import Client
from apa.local.stack import LocalStack


@pytest.fixture(scope="package")
def stack() -> Iterator[LocalStack]:
    with LocalStack() as running:
        yield running


@pytest.fixture
def client(stack: LocalStack) -> Iterator[Client]:
    with Client(sampler=stack.sampler, feedback=stack.feedback) as connected:
        yield connected
