from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from apa.errors import DataLoss
from apa.priors.catalogue import Item
from apa.priors.catalogue_files import Manifest, has_catalogue, read_catalogue, write_catalogue

ITEMS = [
    Item("Q1", 'A "quoted", title', {"year": "1972", "genres": "Crime|Drama"}),
    Item("Q2", "Les Amants du Pont-Neuf – été", {"year": "", "genres": ""}),
    Item("Q3", "千と千尋の神隠し", {"year": "2001", "genres": "Animation"}),
]
VECTORS = np.array([[0.5, -1.0], [2.0, 0.25], [0.0, 3.0]], dtype=np.float32)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_catalogue(tmp_path / "shop", ITEMS, VECTORS)
    return tmp_path / "shop"


def test_what_is_written_is_read_back(folder: Path) -> None:
    catalogue = read_catalogue(folder)

    assert list(catalogue.items) == ITEMS
    assert catalogue.vectors.dtype == np.float32
    np.testing.assert_array_equal(catalogue.vectors, VECTORS)
    assert has_catalogue(folder)
    assert not has_catalogue(folder.parent)


def test_the_same_items_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    write_catalogue(tmp_path / "again", ITEMS, VECTORS)

    for file in folder.iterdir():
        assert file.read_bytes() == (tmp_path / "again" / file.name).read_bytes()


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-2] ^= 0x80
    path.write_bytes(bytes(content))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


@pytest.mark.parametrize("name", ["items.csv", "vectors.npy", "items.json"])
@pytest.mark.parametrize("damage", [flip_a_byte, cut, Path.unlink])
def test_a_damaged_file_is_named_with_what_was_expected(
    folder: Path, name: str, damage: Callable[[Path], None]
) -> None:
    damage(folder / name)

    with pytest.raises(DataLoss) as raised:
        read_catalogue(folder)

    assert raised.value.field == name
    assert raised.value.expected
    assert raised.value.found


def with_true_digests(folder: Path, **changes: int) -> None:
    """Rewrite the manifest so that the hashes agree and only the content is wrong."""
    from apa.priors import catalogue_files

    manifest = json.loads((folder / "items.json").read_text())
    manifest |= {f"{n}_sha256": catalogue_files._digest(folder / f) for n, f in FILES.items()} | changes
    (folder / "items.json").write_text(Manifest(**manifest).model_dump_json())


FILES = {"items": "items.csv", "vectors": "vectors.npy"}


@pytest.mark.parametrize(
    ("table", "found"),
    [
        ("title,item_id\nA,Q1\n", "title, item_id"),
        ("item_id,title,year\nQ1,A\n", "2"),
        ("item_id,title\nQ1,A\nQ1,B\nQ3,C\n", "twice"),
        ("item_id,title\nQ1,A\n", "belong together"),
        ("", "values to unpack"),
    ],
)
def test_a_table_that_is_whole_but_wrong_is_data_loss(folder: Path, table: str, found: str) -> None:
    (folder / "items.csv").write_text(table)
    with_true_digests(folder)

    with pytest.raises(DataLoss, match=r"items\.csv") as raised:
        read_catalogue(folder)

    assert found in raised.value.found


def test_vectors_of_another_shape_than_the_manifest_says_are_data_loss(folder: Path) -> None:
    with_true_digests(folder, num_dims=5)

    with pytest.raises(DataLoss, match=r"vectors\.npy"):
        read_catalogue(folder)


def test_a_pickle_is_never_loaded(folder: Path) -> None:
    np.save(folder / "vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with_true_digests(folder)

    with pytest.raises(DataLoss, match=r"vectors\.npy"):
        read_catalogue(folder)
