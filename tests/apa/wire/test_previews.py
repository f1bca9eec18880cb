"""Previews fit a message, and a damaged one is refused by name."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apa.errors import InvalidArgument
from apa.pb import sampler_pb2
from apa.records.run_events import Preview, Progress
from apa.wire.run_events import event_from_pb, event_to_pb, most_previewed
from apa.wire.tensors import tensor_to_pb


def progress(preview: Preview | None) -> Progress:
    return Progress(step=1000, num_steps=1000, ess=4096.0, log_z=-1.0, num_resamplings=1000, preview=preview)


@settings(max_examples=40)
@given(dims=st.integers(1, 15_000), limit=st.sampled_from([65_536, 100_000, 2**24]))
def test_as_many_estimates_as_are_allowed_fit_one_message(dims: int, limit: int) -> None:
    num = most_previewed((dims,), limit)
    # One row seen num times: as large as a preview, without its memory.
    x_0_hat = np.broadcast_to(np.float32(0), (num, dims))
    log_weights = np.broadcast_to(np.float64(0), (num,))
    event = progress(Preview(rows=(2**32 - 1,) * num, x_0_hat=x_0_hat, log_weights=log_weights))
    assert event_to_pb(event, sequence=2**31).ByteSize() <= limit


def test_an_estimate_over_the_message_size_is_never_allowed() -> None:
    assert most_previewed((4, 128, 128), 65_536) == 0


def message(rows: int, estimates: int, weights: int) -> sampler_pb2.SampleResponse:
    preview = sampler_pb2.Preview(
        rows=range(rows),
        x_0_hat=tensor_to_pb(np.zeros((estimates, 2), np.float32)),
        log_weights=tensor_to_pb(np.zeros(weights)),
    )
    return sampler_pb2.SampleResponse(progress=sampler_pb2.Progress(preview=preview))


@pytest.mark.parametrize(
    ("sizes", "field"), [((3, 2, 2), "rows"), ((2, 2, 3), "log_weights.shape"), ((0, 1, 1), "rows")]
)
def test_a_preview_that_does_not_fit_itself_names_its_field(sizes: tuple[int, int, int], field: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        event_from_pb(message(*sizes))
    assert caught.value.field == f"progress.preview.{field}"
    assert caught.value.expected
    assert caught.value.found


def test_progress_of_a_release_without_previews_has_none() -> None:
    event = event_from_pb(sampler_pb2.SampleResponse(progress=sampler_pb2.Progress(step=3)))
    assert isinstance(event, Progress)
    assert event.preview is None
