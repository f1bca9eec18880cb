import subprocess
import sys
from pathlib import Path

import pytest

from apa.errors import DataLoss, NotFound
from apa.prior_folders import CARD_FILE, find_prior, list_priors, read_card, shipped_priors_dir
from apa.records.prior_card import PriorCard

CARD = PriorCard(name="mine", kind="vector", data_shape=(3,), decoder="none", feature_dim=0)


def _write_card(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / CARD_FILE).write_text(CARD.model_dump_json())
    return folder


def test_a_card_is_read_back(tmp_path: Path) -> None:
    assert read_card(_write_card(tmp_path / "mine")) == CARD


def test_a_folder_without_a_card_is_no_prior(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=CARD_FILE):
        read_card(tmp_path)


def test_a_damaged_card_is_named(tmp_path: Path) -> None:
    (tmp_path / CARD_FILE).write_text('{"name": "mine"')
    with pytest.raises(DataLoss, match=CARD_FILE):
        read_card(tmp_path)


def test_priors_of_given_directories_come_before_the_shipped_ones(tmp_path: Path) -> None:
    mine = _write_card(tmp_path / "mine")
    own_fashion = _write_card(tmp_path / "fashion")
    (tmp_path / "notes").mkdir()
    found = list_priors([tmp_path, tmp_path / "absent"])
    assert found["mine"] == mine
    assert found["fashion"] == own_fashion
    assert "notes" not in found


def test_an_unknown_prior_is_refused_with_the_names_there_are(tmp_path: Path) -> None:
    _write_card(tmp_path / "mine")
    assert find_prior("mine", [tmp_path]) == tmp_path / "mine"
    with pytest.raises(NotFound, match="mine"):
        find_prior("absent", [tmp_path])


def test_every_shipped_card_is_valid_and_named_after_its_folder() -> None:
    priors = list_priors()
    assert priors, f"no priors in {shipped_priors_dir()}"
    for name, folder in priors.items():
        assert read_card(folder).name == name


def test_listing_priors_loads_no_torch() -> None:
    program = "import sys, apa.prior_folders as p; p.list_priors(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
