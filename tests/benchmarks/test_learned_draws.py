"""Draws of a prior are the same whoever makes them and in however many sittings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from apa.errors import FailedPrecondition
from benchmarks.exactness.learned.draws import draw
from tests.benchmarks.learned_problem import mixture_case, nearest_mode

CHAIN = mixture_case().chain


def test_draws_depend_on_their_seeds_alone(tmp_path: Path) -> None:
    one, other = draw(CHAIN, 2, 50, tmp_path / "one"), draw(CHAIN, 2, 50, tmp_path / "other")

    assert torch.equal(one.read, other.read)
    assert torch.equal(one.judged, other.judged)
    assert len(torch.unique(one.read, dim=0)) == len(one) == 100


def test_a_sitting_that_was_ended_is_gone_on_with(tmp_path: Path) -> None:
    told: list[int] = []
    first = draw(CHAIN, 2, 50, tmp_path, told.append)
    (tmp_path / f"gaussian-mixture-{CHAIN.key}-50" / "00001.safetensors").unlink()
    again = draw(CHAIN, 3, 50, tmp_path, told.append)

    assert told == [1, 2, 2, 3]
    assert torch.equal(again.read[:100], first.read)


def test_another_chain_or_judge_has_draws_of_its_own() -> None:
    longer = replace(CHAIN, config=CHAIN.config.model_copy(update={"num_steps": 13}))
    steered_otherwise = replace(CHAIN, config=CHAIN.config.model_copy(update={"beta": 3.0, "seed": 4}))

    assert len({CHAIN.key, longer.key, replace(CHAIN, judge_key="2").key}) == 3
    assert steered_otherwise.key == CHAIN.key


def test_what_is_judged_is_the_end_point_itself(tmp_path: Path) -> None:
    draws = draw(CHAIN, 1, 200, tmp_path)

    agreeing = (nearest_mode(draws.read) == draws.judged).all(dim=1).float().mean()
    assert float(agreeing) > 0.99


def test_draws_of_a_chain_whose_code_changed_are_refused(tmp_path: Path) -> None:
    draw(CHAIN, 1, 50, tmp_path)
    (probe,) = tmp_path.glob("*/probe.safetensors")
    save_file({"read": torch.zeros(4, 2)}, probe)

    with pytest.raises(FailedPrecondition, match="another chain"):
        draw(CHAIN, 1, 50, tmp_path)
