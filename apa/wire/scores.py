"""Scores to and from protobuf, and how many of them fit into a message."""

from __future__ import annotations

import numpy as np

from apa.errors import DataLoss
from apa.pb import sampler_pb2
from apa.records.scores import MAX_CANDIDATES, Scores
from apa.wire.tensors import AROUND_A_CHUNK_BYTES

SCORE_BYTES = 16
"""Mean and standard deviation of one candidate."""


def most_scored(max_message_bytes: int) -> int:
    """How many candidates one response can answer within the channel's limit."""
    return max(0, min(MAX_CANDIDATES, (max_message_bytes - AROUND_A_CHUNK_BYTES) // SCORE_BYTES))


def scores_to_pb(scores: Scores) -> sampler_pb2.ScoreResponse:
    return sampler_pb2.ScoreResponse(
        predicted_mean=scores.mean.tolist(),
        predicted_std=scores.std.tolist(),
        surrogate_version=scores.surrogate_version,
    )


def scores_from_pb(response: sampler_pb2.ScoreResponse) -> Scores:
    """Raises DataLoss when there is not one standard deviation for each mean."""
    mean = np.array(response.predicted_mean, dtype=np.float64)
    std = np.array(response.predicted_std, dtype=np.float64)
    if mean.shape != std.shape:
        raise DataLoss(
            "the scores are not whole",
            field="predicted_std",
            expected=str(len(mean)),
            found=str(len(std)),
        )
    return Scores(mean, std, response.surrogate_version)
