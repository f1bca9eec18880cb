"""From a checkpoint to a prior folder with its card."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from apa.errors import InvalidArgument
from apa.prior_folders import CARD_FILE, read_card
from apa.priors.catalogue import Item
from apa.priors.catalogue_files import read_items, write_catalogue
from apa.priors.folder import save_prior, write_atomically
from apa.priors.network import DenoiserNetwork, NetworkPrior, Preconditioning
from apa.priors.schedule import VPSchedule
from apa.records.prior_card import PriorCard
from trainer_worker.priors.data import TrainingData
from trainer_worker.priors.fit import new_network
from trainer_worker.priors.options import FitOptions
from trainer_worker.priors.state import read_checkpoint


@dataclass(frozen=True)
class Provenance:
    """What the card says that the weights do not."""

    name: str
    description: str
    data: str
    data_licence: str
    training_command: str

    def __post_init__(self) -> None:
        # A name that no card may carry is refused before the fit, not after it.
        PriorCard(kind="vector", data_shape=(1,), decoder="none", feature_dim=0, **asdict(self))


def describe_fit(data: TrainingData, options: FitOptions, provenance: Provenance) -> dict[str, Any]:
    """What a checkpoint records: enough to refuse to resume another fit, and to export without the data."""
    statistics: dict[str, Any] = {
        "data_shape": list(data.data_shape),
        "num_items": len(data),
        "mean": data.mean,
        "std": data.std,
    }
    if data.class_names:
        statistics["class_names"] = list(data.class_names)
    return {"options": options.model_dump(), "data": statistics, "provenance": asdict(provenance)}


def export_checkpoint(checkpoint: Path, folder: Path) -> None:
    """Write the averaged weights of a checkpoint as a prior folder; other files there stay."""
    tensors, _, about = read_checkpoint(checkpoint)
    network, preconditioning = _described(about)
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            parameter.copy_(tensors[f"ema/{name}"])
    class_names = tuple(about["data"].get("class_names", ()))
    card = _card(network, Provenance(**about["provenance"]), class_names)
    save_prior(NetworkPrior(network, preconditioning, card, content_hash=""), folder)


def read_catalogue_items(path: Path, num_vectors: int) -> list[Item]:
    """The items that name the vectors of a fit, read before it starts.

    Raises:
        InvalidArgument: their number is another.
    """
    items = read_items(path)
    if len(items) != num_vectors:
        raise InvalidArgument(
            "items and vectors do not belong together",
            field="items",
            expected=f"{num_vectors} items, one for each vector",
            found=str(len(items)),
        )
    return items


def attach_catalogue(folder: Path, items: Sequence[Item], vectors: NDArray[np.float32]) -> None:
    """Make a vector prior's folder a catalogue: its items beside it, and its card saying so."""
    write_catalogue(folder, items, vectors, dtype="float32")
    card = read_card(folder).model_copy(update={"decoder": "catalogue", "num_items": len(items)})
    write_atomically(folder / CARD_FILE, (card.model_dump_json(indent=2) + "\n").encode())


def _described(about: dict[str, Any]) -> tuple[DenoiserNetwork, Preconditioning]:
    data = about["data"]
    num_classes = len(data.get("class_names", ()))
    network = new_network(tuple(data["data_shape"]), FitOptions(**about["options"]), num_classes)
    return network, Preconditioning(VPSchedule(), data["mean"], data["std"])


def _card(network: DenoiserNetwork, provenance: Provenance, class_names: tuple[str, ...]) -> PriorCard:
    is_image = len(network.data_shape) == 3
    return PriorCard(
        kind="image" if is_image else "vector",
        data_shape=network.data_shape,
        decoder="png" if is_image else "none",
        feature_dim=network.feature_dim,
        class_names=class_names,
        **asdict(provenance),
    )
