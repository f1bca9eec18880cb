"""What a refit works with."""

from __future__ import annotations

from dataclasses import dataclass, field

from apa.metrics import TrainerMetrics
from trainer_worker.cohorts import Cohorts
from trainer_worker.fit import FeatureCache
from trainer_worker.shelf import PriorShelf
from trainer_worker.stores import Stores


@dataclass(frozen=True)
class Tools:
    """All of it may be shared between threads.

    Attributes:
        lease_s: how long a refit has its sessions to itself, and how long one rests that failed.
    """

    stores: Stores
    shelf: PriorShelf
    cache: FeatureCache
    metrics: TrainerMetrics
    lease_s: float
    cohorts: Cohorts = field(default_factory=Cohorts)
