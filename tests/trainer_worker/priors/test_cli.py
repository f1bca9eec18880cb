from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from apa.errors import ApaError, InvalidArgument
from apa.prior_folders import read_card
from apa.priors import load_prior
from trainer_worker.priors import cli

TINY = ["--steps", "4", "--batch", "8", "--width", "16", "--blocks", "1", "--precision", "float32"]


def _run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli.app, [str(argument) for argument in arguments])


def _vectors(folder: Path) -> Path:
    np.save(folder / "vectors.npy", np.random.default_rng(0).normal(size=(20, 3)))
    return folder / "vectors.npy"


def _items(folder: Path, num: int) -> Path:
    lines = [f"id-{i},Item {i},{1990 + i}" for i in range(num)]
    (folder / "items.csv").write_text("\n".join(["item_id,title,year", *lines]) + "\n")
    return folder / "items.csv"


def test_a_fit_of_vectors_writes_a_prior_that_loads(tmp_path: Path) -> None:
    result = _run("fit", "--data", _vectors(tmp_path), "--name", "mine", "--out", tmp_path / "mine", *TINY)
    assert result.exit_code == 0, result.output
    assert "step 4/4" in result.output
    prior = load_prior(tmp_path / "mine")
    assert prior.data_shape == (3,)
    assert "--steps 4" in prior.card.training_command


def test_an_exported_checkpoint_can_be_stored_in_half_precision(tmp_path: Path) -> None:
    out, half = tmp_path / "mine", tmp_path / "half"
    assert _run("fit", "--data", _vectors(tmp_path), "--name", "mine", "--out", out, *TINY).exit_code == 0
    result = _run("export", "--checkpoint", tmp_path / "mine.checkpoint", "--out", half, "--half")
    assert result.exit_code == 0, result.output
    whole_size, half_size = ((f / "weights.safetensors").stat().st_size for f in (out, half))
    assert half_size < 0.7 * whole_size
    assert load_prior(half).card == load_prior(out).card


def test_a_fit_with_items_writes_a_catalogue(tmp_path: Path) -> None:
    vectors, items = _vectors(tmp_path), _items(tmp_path, 20)
    result = _run(
        "fit", "--data", vectors, "--items", items, "--name", "mine", "--out", tmp_path / "mine", *TINY
    )
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "mine")
    assert (card.decoder, card.num_items) == ("catalogue", 20)
    assert load_prior(tmp_path / "mine").card == card


def test_items_of_another_number_are_refused_before_the_fit(tmp_path: Path) -> None:
    vectors, items = _vectors(tmp_path), _items(tmp_path, 7)
    result = _run(
        "fit", "--data", vectors, "--items", items, "--name", "mine", "--out", tmp_path / "mine", *TINY
    )
    assert isinstance(result.exception, InvalidArgument)
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("missing", [["--steps", "4"], ["--data", "vectors.npy"]])
def test_a_fit_without_data_or_length_is_refused(missing: list[str], tmp_path: Path) -> None:
    _vectors(tmp_path)
    arguments = [tmp_path / a if a.endswith("npy") else a for a in missing]
    result = _run("fit", "--name", "mine", "--out", tmp_path / "mine", *arguments)
    assert isinstance(result.exception, ApaError)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (["--steps", "4", "--images", "x", "--data", "y"], "data"),
        (["--steps", "0"], "steps"),
        (["--steps", "4", "--precision", "float8"], "precision"),
        (["--steps", "4", "--name", "No Name"], "name"),
        (["--steps", "4", "--minutes", "1"], "steps"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(
    wrong: list[str],
    field: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [
        "fit",
        "--data",
        str(_vectors(tmp_path)),
        "--name",
        "mine",
        "--out",
        str(tmp_path / "mine"),
        *wrong,
    ]
    monkeypatch.setattr("sys.argv", ["priors", *given])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 1
    printed = capsys.readouterr().err
    assert printed.startswith("error: ")
    assert f"field: {field}" in printed
    assert printed.count("\n") == 1
    assert not (tmp_path / "mine").exists()


def test_a_fit_with_labels_can_be_conditioned_as_a_folder(tmp_path: Path) -> None:
    np.save(tmp_path / "labels.npy", np.arange(20) % 2)
    fitted: list[str | Path] = ["fit", "--data", _vectors(tmp_path), "--labels", tmp_path / "labels.npy"]
    result = _run(*fitted, "--name", "mine", "--out", tmp_path / "mine", *TINY)
    assert result.exit_code == 0, result.output
    card = read_card(tmp_path / "mine")
    assert card.class_names == ("0", "1")
    assert "--labels" in card.training_command
    wanted: list[str | Path] = [
        "--label",
        "1",
        "--guidance-scale",
        "2",
        "--name",
        "one",
        "--out",
        tmp_path / "one",
    ]
    result = _run("condition", "--prior", tmp_path / "mine", *wanted)
    assert result.exit_code == 0, result.output
    expected = load_prior(tmp_path / "mine").conditioned(1, 2.0)
    assert load_prior(tmp_path / "one").content_hash == expected.content_hash


def test_a_column_of_the_items_can_be_the_labels(tmp_path: Path) -> None:
    rows = [f"id-{i},Item {i},{'war' if i % 2 else 'art'}" for i in range(20)]
    (tmp_path / "items.csv").write_text("\n".join(["item_id,title,genre", *rows]) + "\n")
    fitted: list[str | Path] = [
        "fit",
        "--data",
        _vectors(tmp_path),
        "--items",
        tmp_path / "items.csv",
        "--labels",
        "genre",
    ]
    result = _run(*fitted, "--name", "mine", "--out", tmp_path / "mine", *TINY)
    assert result.exit_code == 0, result.output
    wanted: list[str | Path] = ["--label", "war", "--name", "war", "--out", tmp_path / "war"]
    assert _run("condition", "--prior", tmp_path / "mine", *wanted).exit_code == 0
    prior = load_prior(tmp_path / "war")
    assert prior.card.num_items == 20
    assert prior.catalogue is not None


def test_a_class_that_is_not_there_is_refused_before_a_folder_is_written(tmp_path: Path) -> None:
    result = _run("fit", "--data", _vectors(tmp_path), "--name", "mine", "--out", tmp_path / "mine", *TINY)
    assert result.exit_code == 0, result.output
    wanted: list[str | Path] = ["--label", "war", "--name", "war", "--out", tmp_path / "war"]
    assert isinstance(_run("condition", "--prior", tmp_path / "mine", *wanted).exception, ApaError)
    assert not (tmp_path / "war").exists()
