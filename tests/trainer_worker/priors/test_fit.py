from pathlib import Path
from typing import Any

import pytest
import torch

from apa.errors import DataLoss, FailedPrecondition, NumericalError
from apa.priors import load_prior
from apa.records.prior_card import PriorCard
from trainer_worker.priors.data import TrainingData
from trainer_worker.priors.export import Provenance, describe_fit, export_checkpoint
from trainer_worker.priors.fit import new_network, new_state, train
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.run import resolve_minutes, run_fit
from trainer_worker.priors.state import TrainingState, load_checkpoint, save_checkpoint

PROVENANCE = Provenance("tiny", "a description", "some data", "MIT", "a command")


def _vectors() -> TrainingData:
    items = torch.randn(40, 3, generator=torch.Generator().manual_seed(5)) * 2.0 + 1.0
    return TrainingData(items, 1.0, 2.0)


def _images() -> TrainingData:
    generator = torch.Generator().manual_seed(5)
    return TrainingData(
        torch.randint(0, 256, (20, 1, 8, 8), dtype=torch.uint8, generator=generator), 0.0, 0.6
    )


def _options(**changes: Any) -> FitOptions:
    return FitOptions(**({"steps": 6, "batch": 8, "width": 16, "blocks": 1} | changes))


def _trained(data: TrainingData, options: FitOptions) -> TrainingState:
    state = new_state(data, options)
    train(state, data, options, lambda _: None)
    return state


def _equal(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> bool:
    return left.keys() == right.keys() and all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("data", [_vectors(), _images()], ids=["vectors", "images"])
def test_the_same_seed_gives_the_same_weights(data: TrainingData) -> None:
    first, again, other = (_trained(data, _options(seed=seed)) for seed in (1, 1, 2))
    assert _equal(first.ema, again.ema)
    assert not _equal(first.ema, other.ema)


@pytest.mark.parametrize("data", [_vectors(), _images()], ids=["vectors", "images"])
def test_an_interrupted_and_resumed_fit_ends_at_the_same_weights(data: TrainingData, tmp_path: Path) -> None:
    options = _options()
    whole = run_fit(data, options, PROVENANCE, tmp_path / "whole", checkpoint_every=100, resume=False)

    class InterruptedFitError(Exception):
        pass

    def interrupt(state: TrainingState) -> None:
        if state.step == 3:
            save_checkpoint(state, tmp_path / "half", describe_fit(data, options, PROVENANCE))
            raise InterruptedFitError

    with pytest.raises(InterruptedFitError):
        train(new_state(data, options), data, options, interrupt)
    resumed = run_fit(data, options, PROVENANCE, tmp_path / "half", checkpoint_every=100, resume=True)
    assert resumed.step == whole.step == 6
    assert _equal(resumed.ema, whole.ema)


def test_a_checkpoint_of_another_fit_is_refused_and_the_option_named(tmp_path: Path) -> None:
    data, options = _vectors(), _options()
    run_fit(data, options, PROVENANCE, tmp_path / "checkpoint", checkpoint_every=100, resume=False)
    with pytest.raises(FailedPrecondition) as caught:
        run_fit(
            data, _options(batch=16), PROVENANCE, tmp_path / "checkpoint", checkpoint_every=100, resume=True
        )
    assert caught.value.field == "batch"


def test_a_fit_may_be_resumed_for_more_steps(tmp_path: Path) -> None:
    data = _vectors()
    run_fit(data, _options(), PROVENANCE, tmp_path / "checkpoint", checkpoint_every=100, resume=False)
    more = run_fit(data, _options(steps=9), PROVENANCE, tmp_path / "checkpoint", 100, resume=True)
    assert more.step == 9


def test_a_damaged_checkpoint_is_refused(tmp_path: Path) -> None:
    data, options = _vectors(), _options()
    path = tmp_path / "checkpoint"
    run_fit(data, options, PROVENANCE, path, checkpoint_every=100, resume=False)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataLoss, match="checkpoint"):
        load_checkpoint(new_state(data, options), path, describe_fit(data, options, PROVENANCE))


def test_the_exported_folder_holds_the_averaged_weights_and_a_card(tmp_path: Path) -> None:
    data, options = _images(), _options()
    state = run_fit(data, options, PROVENANCE, tmp_path / "checkpoint", checkpoint_every=100, resume=False)
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "tiny")
    prior = load_prior(tmp_path / "tiny")
    assert prior.card == PriorCard(
        name="tiny",
        kind="image",
        data_shape=(1, 8, 8),
        decoder="png",
        feature_dim=prior.feature_dim,
        description="a description",
        data="some data",
        data_licence="MIT",
        training_command="a command",
    )
    network = new_network(data.data_shape, options)
    network.load_state_dict(state.ema)
    t = torch.tensor([0.4])
    x_t = torch.randn(1, 1, 8, 8)
    output = network.eval()(prior.preconditioning.network_input(x_t, t), prior.schedule.log_snr(t))  # type: ignore[attr-defined]
    assert torch.equal(prior.denoise(x_t, t).x_0_hat, prior.preconditioning.x_0_hat(x_t, t, output))  # type: ignore[attr-defined]


def test_a_fit_learns_where_the_data_is(tmp_path: Path) -> None:
    # Two points: the right estimate at moderate noise is the nearer one.
    points = torch.tensor([[1.5, 0.5], [-0.5, -1.5]])
    data = TrainingData(points.repeat(32, 1), 0.0, 1.1)
    options = _options(steps=150, batch=32, width=32, lr=1e-2, ema=0.95, precision="float32")
    run_fit(data, options, PROVENANCE, tmp_path / "checkpoint", checkpoint_every=1000, resume=False)
    export_checkpoint(tmp_path / "checkpoint", tmp_path / "tiny")
    prior = load_prior(tmp_path / "tiny")
    t = torch.full((2,), prior.schedule.time_of_std_ratio(0.4))
    x_t = prior.schedule.scale(t)[:, None] * (points + 0.2)
    torch.testing.assert_close(prior.denoise(x_t, t).x_0_hat, points, rtol=0, atol=0.15)


def test_a_fit_that_diverges_names_the_step() -> None:
    data = TrainingData(torch.full((40, 3), float("inf")), 1.0, 2.0)
    with pytest.raises(NumericalError) as caught:
        _trained(data, _options())
    assert caught.value.field == "step 0"


def test_minutes_become_steps() -> None:
    chosen = _options().model_dump(exclude={"steps"})
    steps = resolve_minutes(_vectors(), 0.05, chosen)
    assert 1 <= steps < 100_000
