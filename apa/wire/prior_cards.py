"""Prior cards to and from protobuf."""

from __future__ import annotations

from dataclasses import dataclass

from apa.pb import common_pb2
from apa.records.prior_card import PriorCard
from apa.records.validation import validated

SAME_NAMES = ("name", "kind", "decoder", "num_items", "description", "data", "data_licence")


@dataclass(frozen=True)
class LoadedPrior:
    """A prior that a sampler serves: its card, and the hash of its parameters."""

    card: PriorCard
    content_hash: str


def prior_to_pb(prior: LoadedPrior) -> common_pb2.PriorCard:
    given = {name: getattr(prior.card, name) for name in SAME_NAMES}
    return common_pb2.PriorCard(
        **given,
        data_shape=prior.card.data_shape,
        quality=prior.card.quality,
        content_hash=prior.content_hash,
    )


def prior_from_pb(card: common_pb2.PriorCard) -> LoadedPrior:
    """The card of a message; what does not travel (features, training command) is left empty."""
    given = {name: getattr(card, name) for name in SAME_NAMES}
    given |= {"data_shape": tuple(card.data_shape), "quality": dict(card.quality), "feature_dim": 0}
    return LoadedPrior(validated(PriorCard, given, field="prior"), card.content_hash)
