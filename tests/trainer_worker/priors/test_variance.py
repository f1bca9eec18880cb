"""The posterior variance of a fitted prior: measured by `fit`, added to an older folder by `variance`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from apa.errors import FailedPrecondition, InvalidArgument
from apa.priors import GaussianMixturePrior, load_prior
from apa.priors.folder import save_prior
from apa.records.sampling import SamplingConfig
from sampler_service import sample
from trainer_worker.priors import cli

TINY = ["--steps", "4", "--batch", "8", "--width", "16", "--blocks", "1", "--precision", "float32"]


def _fitted(folder: Path, *options: str) -> tuple[Path, Path]:
    """The prior's folder and its vectors."""
    vectors, out = folder / "vectors.npy", folder / "mine"
    np.save(vectors, np.random.default_rng(0).normal(size=(40, 3)))
    fit = ["fit", "--data", str(vectors), "--name", "mine", "--out", str(out), *TINY, *options]
    assert CliRunner().invoke(cli.app, fit).exit_code == 0
    return out, vectors


def test_a_fit_measures_it_and_the_integrator_uses_it(tmp_path: Path) -> None:
    prior = load_prior(_fitted(tmp_path)[0])

    assert prior.posterior_variance is not None
    population = sample(prior, None, SamplingConfig(num_steps=4, integrator="analytic"), num_particles=8)
    assert population.x.isfinite().all()


def test_an_older_folder_samples_without_and_learns_it_later(tmp_path: Path) -> None:
    folder, vectors = _fitted(tmp_path, "--half")
    config = json.loads((folder / "config.json").read_text())
    del config["posterior_variance"]
    (folder / "config.json").write_text(json.dumps(config))
    older = load_prior(folder)
    with pytest.raises(FailedPrecondition) as caught:
        sample(older, None, SamplingConfig(integrator="analytic"), num_particles=8)
    assert caught.value.field == "sampling.integrator"

    done = CliRunner().invoke(cli.app, ["variance", "--prior", str(folder), "--data", str(vectors)])

    assert done.exit_code == 0
    newer = load_prior(folder)
    assert newer.posterior_variance is not None
    assert newer.content_hash == older.content_hash


def test_data_of_another_shape_is_refused(tmp_path: Path) -> None:
    folder, _ = _fitted(tmp_path)
    np.save(tmp_path / "other.npy", np.zeros((20, 2)) + np.arange(20.0)[:, None])

    done = CliRunner().invoke(
        cli.app, ["variance", "--prior", str(folder), "--data", str(tmp_path / "other.npy")]
    )

    assert isinstance(done.exception, InvalidArgument)
    assert done.exception.field == "data"


def test_a_mixture_takes_no_table(tmp_path: Path) -> None:
    save_prior(GaussianMixturePrior(torch.zeros(1, 2), 1.0, torch.ones(1)), tmp_path / "mixture")
    np.save(tmp_path / "vectors.npy", np.random.default_rng(0).normal(size=(40, 2)))

    done = CliRunner().invoke(
        cli.app,
        ["variance", "--prior", str(tmp_path / "mixture"), "--data", str(tmp_path / "vectors.npy")],
    )

    assert isinstance(done.exception, FailedPrecondition)
