"""`Score`: what a session's surrogate expects of candidates. Blocking; reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from apa.errors import InvalidArgument, NotFound
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.scores import Scores
from apa.surrogates.base import Prediction
from apa.wire.scores import most_scored
from sampler_service.item_features import ItemFeatures
from sampler_service.preparing import Learnt, Preparing
from sampler_service.showing_on_device import OnDevice


@dataclass(frozen=True)
class ScoreCall:
    """What the caller asked for.

    Attributes:
        item_ids: of the catalogue of the session's prior; empty where `x` is given.
        x: (M, *data_shape) as the caller sent it, of any shape; None where items are named.
    """

    session_id: str
    item_ids: Sequence[str] = ()
    x: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class Scoring:
    """Turns a call into scores."""

    preparing: Preparing
    on_device: OnDevice
    item_features: ItemFeatures = field(default_factory=ItemFeatures)

    def scores(self, call: ScoreCall) -> Scores:
        """Mean and standard deviation of the reward of each candidate, in the user's units.

        Raises:
            InvalidArgument: no candidates, both kinds of them, too many, or x of another shape or not finite.
            NotFound: no such session, or the catalogue has no such item: the error names it.
            FailedPrecondition: nothing is learnt yet, or the session's pinned surrogate is of the prior's
                last version.
            Unavailable: the store is away, or a refit has to come first.
            DataLoss: the prior's folder or the surrogate's artifact is damaged.
        """
        self._check(call)
        learnt = self.preparing.learnt(call.session_id)
        if call.x is not None:
            prediction = self._of_particles(learnt, call.x)
        else:
            prediction = self._of_items(learnt, call.item_ids)
        return Scores(prediction.mean.numpy(), prediction.std.numpy(), learnt.version.version)

    def _check(self, call: ScoreCall) -> None:
        if bool(call.item_ids) == (call.x is not None):
            raise InvalidArgument(
                "candidates are items of a catalogue, or vectors",
                field="item_ids",
                expected="one of item_ids and x",
                found="neither" if call.x is None else "both",
            )
        name = "item_ids" if call.x is None else "x"
        shape = (len(call.item_ids),) if call.x is None else call.x.shape
        most = most_scored(self.preparing.settings.max_message_bytes)
        if not shape or not 1 <= shape[0] <= most:
            raise InvalidArgument(
                "the number of candidates is out of range",
                field=name,
                expected=f"1 to {most}",
                found=str(shape[0]) if shape else "a scalar",
            )

    def _of_particles(self, learnt: Learnt, x: NDArray[np.float32]) -> Prediction:
        if x.shape[1:] != learnt.prior.data_shape:
            expected = ", ".join(["M", *map(str, learnt.prior.data_shape)])
            raise InvalidArgument(
                "the candidates are not of this prior",
                field="x",
                expected=f"({expected})",
                found=str(x.shape),
            )
        if not np.isfinite(x).all():
            raise InvalidArgument(
                "a candidate is not finite", field="x", expected="finite numbers", found="NaN or infinity"
            )
        # A copy: the message's bytes are read-only, which torch does not take.
        return self.on_device.predict(learnt.prior, learnt.surrogate, torch.from_numpy(x.copy()))

    def _of_items(self, learnt: Learnt, item_ids: Sequence[str]) -> Prediction:
        catalogue = _catalogue(learnt)
        x = catalogue.vectors[_positions(catalogue, item_ids)]
        level = learnt.surrogate.feature_level
        if level is not None:
            features = self._features(learnt.prior, level, x)
            prediction = self.on_device.predict_features(learnt.surrogate, features.double())
            if prediction is not None:
                return prediction
        return self.on_device.predict(learnt.prior, learnt.surrogate, torch.from_numpy(x))

    def _features(self, prior: Prior, level: float, x: NDArray[np.float32]) -> Tensor:
        def compute(missing: NDArray[np.float32]) -> Tensor:
            return self.on_device.features(prior, level, torch.from_numpy(missing))

        return self.item_features.of(prior.content_hash, level, x, compute)


def _catalogue(learnt: Learnt) -> Catalogue:
    if learnt.catalogue is None:
        raise InvalidArgument(
            "the session's prior has no catalogue",
            field="item_ids",
            expected="nothing: its candidates are x",
            found=learnt.prior.card.name,
        )
    return learnt.catalogue


def _positions(catalogue: Catalogue, item_ids: Sequence[str]) -> list[int]:
    positions = catalogue.positions
    try:
        return [positions[item_id] for item_id in item_ids]
    except KeyError:
        place = next(place for place, item_id in enumerate(item_ids) if item_id not in positions)
        raise NotFound(
            "the catalogue has no such item",
            field=f"item_ids.{place}",
            expected="an item of the session's prior",
            found=item_ids[place],
        ) from None
