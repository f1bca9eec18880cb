from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors

from apa.errors import DataLoss
from apa.surrogates import LinearSurrogate, Surrogate, load, version_of
from tests.apa.surrogates.toys import ToyPrior, draw, random_cnn, random_mlp, random_surrogate

LINEAR = random_surrogate(5)


def _rewritten(surrogate: Surrogate, changes: dict[str, object], tensors: dict[str, torch.Tensor]) -> bytes:
    blob = surrogate.to_bytes()
    length = int.from_bytes(blob[:8], "little")
    description = json.loads(json.loads(blob[8 : 8 + length])["__metadata__"]["surrogate"]) | changes
    kept = {
        name: tensor
        for name, tensor in (load_tensors(blob) | tensors).items()
        if tensor.dim() == 0 or len(tensor)
    }
    return save_tensors(kept, {"surrogate": json.dumps(description)})


def test_a_linear_surrogate_survives_the_round_trip_bit_by_bit() -> None:
    prior = ToyPrior()
    blob = LINEAR.to_bytes()
    loaded = load(blob, version_of(blob))
    assert isinstance(loaded, LinearSurrogate)
    assert loaded.to_bytes() == blob
    x = draw(prior, 9)
    for before, after in zip(LINEAR.predict(prior, x), loaded.predict(prior, x), strict=True):
        assert torch.equal(before, after)


def test_a_cnn_surrogate_survives_the_round_trip_bit_by_bit() -> None:
    prior, surrogate = ToyPrior((1, 8, 8)), random_cnn()
    loaded = load(surrogate.to_bytes())
    x = draw(prior, 4)
    assert loaded.to_bytes() == surrogate.to_bytes()
    assert torch.equal(loaded.predict(prior, x).mean, surrogate.predict(prior, x).mean)


@pytest.mark.parametrize("data_shape", [(3,), (1, 20, 20)])
def test_an_mlp_surrogate_survives_the_round_trip_bit_by_bit(data_shape: tuple[int, ...]) -> None:
    prior, surrogate = ToyPrior(data_shape), random_mlp(0, data_shape)
    loaded = load(surrogate.to_bytes())
    x, t = draw(prior, 9), torch.full((9,), 0.4)
    assert loaded.to_bytes() == surrogate.to_bytes()
    for before, after in zip(surrogate.joint(prior, x), loaded.joint(prior, x), strict=True):
        assert torch.equal(before, after)
    assert torch.equal(*(one.value(x, t, prior.denoise(x, t)) for one in (surrogate, loaded)))


@pytest.mark.parametrize(
    ("changes", "tensors", "field"),
    [
        ({"data_shape": [4]}, {}, ""),
        ({"data_shape": []}, {}, "data_shape"),
        ({"data_shape": [16384, 16384, 16384]}, {}, ""),
        ({"reward_scale": -1.0}, {}, "reward_scale"),
        ({"link": "probit"}, {}, "link"),
        ({}, {"reading.scale": torch.tensor(0.0)}, "reading.scale"),
        ({}, {"weights.0": torch.zeros(8, 3, 31)}, "weights.0"),
        ({}, {"surplus": torch.zeros(1)}, ""),
    ],
)
def test_a_damaged_mlp_surrogate_is_data_loss(
    changes: dict[str, object], tensors: dict[str, torch.Tensor], field: str
) -> None:
    with pytest.raises(DataLoss) as caught:
        load(_rewritten(random_mlp(), changes, tensors))
    assert field in caught.value.field


def test_another_version_than_expected_is_named() -> None:
    blob = LINEAR.to_bytes()
    with pytest.raises(DataLoss) as caught:
        load(blob, "0123456789abcdef")
    assert (caught.value.expected, caught.value.found) == ("0123456789abcdef", version_of(blob))


@pytest.mark.parametrize("keep", [0, 4, 8, 60, 400, -1])
def test_a_truncated_artifact_is_data_loss(keep: int) -> None:
    with pytest.raises(DataLoss):
        load(LINEAR.to_bytes()[:keep])


@settings(max_examples=60)
@given(st.binary(max_size=300))
def test_no_bytes_at_all_do_anything_but_data_loss(blob: bytes) -> None:
    with pytest.raises(DataLoss):
        load(blob)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"family": "forest"}, "family"),
        ({"family": "cnn"}, ""),
        ({"schema_version": 2}, "schema_version"),
        ({"schema_version": "one"}, "schema_version"),
        ({"reward_scale": 0.0}, "reward_scale"),
        ({"reward_mean": float("nan")}, "reward_mean"),
        ({"weight_std": None}, "weight_std"),
    ],
)
def test_a_wrong_description_is_data_loss_that_names_the_field(
    changes: dict[str, object], field: str
) -> None:
    with pytest.raises(DataLoss) as caught:
        load(_rewritten(LINEAR, changes, {}))
    assert field in caught.value.field


@pytest.mark.parametrize(
    ("name", "tensor"),
    [
        ("weights", torch.full((4, 5), float("nan"))),
        ("weights", torch.zeros(4, 6)),
        ("weights", torch.zeros(20)),
        ("weights", torch.zeros(4, 5, dtype=torch.float64)),
        ("levels", torch.tensor([1.0, 0.0, 2.0, 3.0])),
        ("feature_scale", torch.tensor([1.0, 1.0, 0.0, 1.0, 1.0])),
        ("factor", torch.zeros(3, 5)),
        ("factor", torch.zeros(0)),
        ("surplus", torch.zeros(1)),
    ],
)
def test_wrong_tensors_are_data_loss(name: str, tensor: torch.Tensor) -> None:
    with pytest.raises(DataLoss) as caught:
        load(_rewritten(LINEAR, {}, {name: tensor}))
    assert caught.value.expected
    assert caught.value.found


def test_a_field_of_a_later_release_is_ignored() -> None:
    assert load(_rewritten(LINEAR, {"colour": "blue"}, {})).to_bytes() == LINEAR.to_bytes()


def test_a_file_without_a_description_is_data_loss() -> None:
    with pytest.raises(DataLoss):
        load(save_tensors({"weights": torch.zeros(2, 2)}))
