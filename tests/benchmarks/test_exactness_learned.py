"""The verdict on learned priors: an exact sampler passes; wrong by one sign or by its beta, it does not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.exactness import main as exactness
from benchmarks.exactness.learned import main as learned
from benchmarks.exactness.learned.cases import CASES, LearnedCase
from benchmarks.exactness.learned.cells import cells_of
from benchmarks.exactness.learned.draws import Draws, draw
from benchmarks.exactness.learned.estimate import estimate
from benchmarks.exactness.learned.measure import LearnedCell, compared, measure
from benchmarks.exactness.learned.runs import run_many
from benchmarks.report import Scale
from sampler_service.correctors.twisted import Twisted
from sampler_service.sampling import sample
from simulation.film_table import shipped_film_table
from tests.benchmarks.learned_problem import BETA, mixture_case

CASE = mixture_case()


@pytest.fixture(scope="module")
def draws(tmp_path_factory: pytest.TempPathFactory) -> Draws:
    return draw(CASE.chain, 10, 2000, tmp_path_factory.mktemp("draws"))


def of_twisted(draws: Draws, least_ess: float = 1000.0) -> LearnedCell:
    return measure(CASE, "twisted", BETA, draws, num_particles=64, num_runs=40, least_ess=least_ess)


def test_an_exact_sampler_is_within_three_standard_errors_on_a_chain_of_few_steps(draws: Draws) -> None:
    cell = of_twisted(draws)

    assert cell.verdict == "met"
    assert cell.p_value is not None
    assert cell.p_value > 0.01
    assert cell.tilt["mode"] > 0.2


@pytest.mark.parametrize("signs", [(-1.0, 1.0, 1.0), (1.0, 1.0, -1.0), (0.0, 1.0, 1.0)])
def test_a_wrong_sign_of_a_weight_is_caught(
    signs: tuple[float, float, float], draws: Draws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sampler_service.run.corrector_for", lambda *_: Twisted(signs))
    assert of_twisted(draws).verdict not in ("met", "reported")


def test_a_wrong_beta_is_caught(draws: Draws) -> None:
    runs = run_many(CASE, "twisted", 1.25 * BETA, num_particles=64, num=40)
    cell = compared(CASE, "twisted", BETA, draws, estimate(runs.log_z, runs.cells), num_particles=64)

    assert cell.verdict.startswith("log Z")


def test_a_method_without_weights_is_told_apart_and_not_judged(draws: Draws) -> None:
    cell = measure(CASE, "guidance", BETA, draws, num_particles=64, num_runs=40, least_ess=1000.0)

    assert abs(cell.furthest.z) > 5.0
    assert (cell.verdict, cell.log_z) == ("reported", None)


def test_a_reference_that_hangs_on_few_draws_judges_nothing(draws: Draws) -> None:
    assert of_twisted(draws, least_ess=1e6).verdict == "reported"


@pytest.mark.parametrize("name", ["mixture", *CASES])
def test_the_importance_weights_read_the_reward_that_the_sampler_ends_on(name: str) -> None:
    case: LearnedCase = CASE if name == "mixture" else CASES[name]()
    x = sample(case.chain.prior, None, case.chain.unsteered.model_copy(update={"seed": 0}), num_particles=6).x
    t = x.new_full((6,), case.chain.config.t_end)

    at_end = case.potential.value(x, t, case.chain.prior.denoise(x, t)).double()

    assert torch.allclose(case.reward(case.chain.read(x)), at_end, atol=1e-5)
    shares = case.cells(case.chain.judge(x))
    assert shares.shape == (6, sum(map(len, case.groups.values())))
    assert torch.allclose(shares.sum(dim=1), torch.tensor(float(len(case.groups))))


def test_every_film_is_in_one_cell_of_each_partition() -> None:
    cells = cells_of(shipped_film_table())

    assert float(cells.membership.sum(dim=1).min()) == float(cells.membership.sum(dim=1).max()) == 2.0
    assert "other" in cells.groups["genre"]


def test_a_run_writes_the_learned_cells_beside_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with_items = replace(CASE, items=draw(CASE.chain, 1, 100, tmp_path))
    monkeypatch.setattr(learned, "CASES", {"mixture": lambda: with_items})
    monkeypatch.setattr(learned, "QUICK", {"mixture": replace(learned.QUICK["films"], rows=200)})

    exactness.run(
        Scale(quick=True, only="learned", draws=250, cache=tmp_path / "cache"), tmp_path / "report.json"
    )

    report = json.loads((tmp_path / "report.json").read_text())
    assert [cell["method"] for cell in report["learned_cells"]] == ["twisted", "guidance", "enumerated"]
    assert {cell["num_draws"] for cell in report["learned_cells"]} == {200}
    assert "cells" not in report
    assert "1 of 1 learned cells" in capsys.readouterr().out
