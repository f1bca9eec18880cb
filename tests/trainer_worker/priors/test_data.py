import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from apa.errors import InvalidArgument, NotFound
from trainer_worker.priors.data import load_images, load_vectors

PICTURES = np.random.default_rng(0).integers(0, 256, (20, 8, 12), dtype=np.uint8)


def _write_idx(path: Path, pictures: np.ndarray = PICTURES) -> Path:
    header = struct.pack(">HBB3I", 0, 8, 3, *pictures.shape)
    content = header + pictures.tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def _write_pictures(folder: Path) -> Path:
    for i, picture in enumerate(PICTURES):
        Image.fromarray(picture).save(folder / f"{i:02}.png")
    return folder


def _write_npz(path: Path) -> Path:
    np.savez(path, pictures=PICTURES)
    return path


def test_images_are_the_same_from_every_format(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    sources = [
        _write_pictures(tmp_path / "folder"),
        _write_idx(tmp_path / "images-idx3-ubyte"),
        _write_idx(tmp_path / "images-idx3-ubyte.gz"),
        _write_npz(tmp_path / "images.npz"),
    ]
    for source in sources:
        data = load_images(source)
        assert data.data_shape == (1, 8, 12)
        assert torch.equal(data.items[:, 0], torch.from_numpy(PICTURES))


def test_images_are_scaled_to_minus_one_and_one(tmp_path: Path) -> None:
    pictures = np.zeros((20, 8, 8), dtype=np.uint8)
    pictures[10:] = 255
    data = load_images(_write_idx(tmp_path / "idx", pictures))
    batch = data.batch(torch.tensor([0, 19]))
    assert sorted(set(batch.flatten().tolist())) == [-1.0, 1.0]
    assert data.mean == pytest.approx(0.0, abs=1e-6)
    assert data.std == pytest.approx(1.0, abs=1e-3)


def test_colour_pictures_have_three_channels(tmp_path: Path) -> None:
    for i in range(16):
        Image.fromarray(np.full((8, 8, 3), 10 * i, dtype=np.uint8)).save(tmp_path / f"{i}.png")
    assert load_images(tmp_path).data_shape == (3, 8, 8)


def test_vectors_are_read_as_they_are(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(30, 4))
    np.save(tmp_path / "vectors.npy", vectors)
    data = load_vectors(tmp_path / "vectors.npy")
    assert torch.equal(data.items, torch.from_numpy(vectors.astype(np.float32)))
    assert data.data_shape == (4,)


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((30, 4), dtype=np.int64), "int64"),
        (np.zeros((30, 2, 2)), "(30, 2, 2)"),
        (np.where(np.arange(120).reshape(30, 4) == 50, np.nan, 1.0), "row 12"),
        (np.random.default_rng(0).normal(size=(3, 4)), "3"),
        (np.ones((30, 4)), "one value"),
    ],
    ids=["dtype", "shape", "nan", "too few", "constant"],
)
def test_bad_vectors_are_refused_with_what_was_found(array: np.ndarray, found: str, tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", array)
    with pytest.raises(InvalidArgument) as caught:
        load_vectors(tmp_path / "vectors.npy")
    assert caught.value.field == "data"
    assert found in caught.value.found


def test_a_pickled_array_is_never_loaded(tmp_path: Path) -> None:
    np.save(tmp_path / "vectors.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(InvalidArgument, match="npy"):
        load_vectors(tmp_path / "vectors.npy")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"absent\.npy"):
        load_vectors(tmp_path / "absent.npy")


def test_a_truncated_idx_file_is_refused(tmp_path: Path) -> None:
    path = _write_idx(tmp_path / "idx")
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(InvalidArgument, match="IDX"):
        load_images(path)


def test_pictures_of_different_sizes_are_named(tmp_path: Path) -> None:
    _write_pictures(tmp_path)
    Image.fromarray(np.zeros((4, 4), dtype=np.uint8)).save(tmp_path / "99.png")
    with pytest.raises(InvalidArgument, match=r"99\.png"):
        load_images(tmp_path)


def test_an_empty_folder_and_a_broken_picture_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="none in the folder"):
        load_images(tmp_path)
    (tmp_path / "broken.png").write_bytes(b"no picture")
    with pytest.raises(InvalidArgument, match=r"broken\.png"):
        load_images(tmp_path)
