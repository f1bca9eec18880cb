"""A store, a small prior in a folder, and what refits the one with the other."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import redis
import torch
from prometheus_client import CollectorRegistry

from apa import keys
from apa.metrics import TrainerMetrics
from apa.priors import NetworkPrior, VPSchedule, load_prior, save_prior
from apa.priors.mlp import MLP, MLPConfig
from apa.priors.network import Preconditioning
from apa.records.feedback import Feedback, ScalarAnswer
from apa.records.particle import Particle
from apa.records.prior_card import PriorCard
from apa.records.session import RefitFailure, RefitQuality, Session, SessionConfig, SurrogateVersion
from apa.records.slate import Slate, SlateItem
from apa.store.cohorts import CohortStore
from apa.store.due import DueStore
from apa.store.ledger import FeedbackLedger
from apa.store.sessions import SessionStore
from apa.store.slates import SlateStore
from apa.store.surrogates import SurrogateStore
from apa.store.waiting import WaitingSlates
from apa.surrogates import LinearSurrogate, load, version_of
from trainer_worker.drain import Drain
from trainer_worker.fit import FeatureCache
from trainer_worker.shelf import PriorShelf
from trainer_worker.stores import Stores
from trainer_worker.tools import Tools

DATA_DIM = 4


def write_prior(folder: Path, seed: int = 0) -> NetworkPrior:
    """An untrained vector prior `toy`: its features are as good as any for what is tested here."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = MLP(MLPConfig(data_shape=(DATA_DIM,), width=16, num_blocks=1, feature_dim=8))
    card = PriorCard(
        name="toy", kind="vector", data_shape=(DATA_DIM,), decoder="none", feature_dim=network.feature_dim
    )
    save_prior(NetworkPrior(network, Preconditioning(VPSchedule(), 0.0, 1.0), card, ""), folder)
    loaded = load_prior(folder)
    assert isinstance(loaded, NetworkPrior)
    return loaded


@dataclass
class TrainerWorld:
    """One store with sessions of the prior `toy`; rewards are the first coordinate of an item."""

    client: redis.Redis
    priors: Path
    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    shown: int = 0
    data_shape: tuple[int, ...] = (DATA_DIM,)
    """Of the items that are shown next."""

    def __post_init__(self) -> None:
        write_prior(self.priors / "toy")
        self.metrics = TrainerMetrics.create(self.registry)
        self.stores = Stores(
            SessionStore(self.client),
            SlateStore(self.client),
            FeedbackLedger(self.client),
            DueStore(self.client),
            SurrogateStore(self.client),
            WaitingSlates(self.client),
            CohortStore(self.client),
        )
        self.cache = FeatureCache()

    def drain(self, lease_s: float = 30.0, most: int = 64) -> Drain:
        shelf = PriorShelf([self.priors])
        return Drain(Tools(self.stores, shelf, self.cache, self.metrics, lease_s), most)

    def refit(self, session_id: str = "s1", lease_s: float = 30.0) -> None:
        """What a hint makes a worker do."""
        self.drain(lease_s).run(session_id)

    def session(self, session_id: str = "s1", **config: object) -> str:
        fields = {"prior": "toy", "budget": 80, "particles_per_round": 8} | config
        created = Session(session_id=session_id, config=SessionConfig.model_validate(fields), created_at=1.0)
        return self.stores.sessions.create(created).session_id

    def answer(self, session_id: str = "s1", count: int = 8) -> list[str]:
        """Show a slate and answer all of it; the particle ids."""
        slate, particles = self.show(session_id, count)
        for item, particle in zip(slate.items, particles, strict=True):
            answer = ScalarAnswer(particle_id=item.particle_id, reward=float(particle.x.flat[0]))
            self.stores.ledger.record(
                Feedback(feedback_id=f"f-{item.particle_id}", session_id=session_id, answer=answer)
            )
        return [item.particle_id for item in slate.items]

    def show(
        self, session_id: str = "s1", count: int = 8, asked: int | None = None, wait_s: float = 600.0
    ) -> tuple[Slate, list[Particle]]:
        """A slate that waits so long, for an answer to each item or for `asked`."""
        self.shown += 1
        config = self.stores.sessions.get(session_id).config
        slate_id = f"slate{self.shown}"
        wanted = count if asked is None else asked
        reserved = self.stores.slates.reserve(session_id, f"request{self.shown}", slate_id, wanted, 600.0)
        ids = [f"{slate_id}-p{i}" for i in range(count)]
        slate = Slate(
            slate_id=slate_id,
            session_id=session_id,
            request_id=f"request{self.shown}",
            items=tuple(
                SlateItem(particle_id=name, population_index=i, reason="top", propensity=0.5)
                for i, name in enumerate(ids)
            ),
            round_index=0,
            asked=reserved.asked,
            created_at=0.0,
            expires_at=wait_s,
        )
        rng = np.random.default_rng(self.shown)
        items = [
            Particle(name, slate_id, rng.normal(size=self.data_shape).astype(np.float32)) for name in ids
        ]
        has_default = config.default_reward is not None
        return self.stores.slates.put(slate, items, has_default=has_default), items

    def lose(self, session_id: str, particle_id: str) -> None:
        self.client.delete(keys.particle(session_id, particle_id))

    def due(self) -> list[str]:
        return self.stores.due.due(1000)

    def trained_events(self, session_id: str = "s1") -> int:
        current = self.stores.surrogates.current(session_id)
        return 0 if current is None else current.trained_events

    def quality(self, session_id: str = "s1") -> RefitQuality | None:
        current = self.stores.surrogates.current(session_id)
        assert current is not None
        return current.quality

    def overrate(self, session_id: str, by: float) -> None:
        """Replace the surrogate by one that predicts so many standard deviations more of everything."""
        store = self.stores.surrogates
        current = store.current(session_id)
        assert current is not None
        fitted = load(store.blob(session_id, current.version))
        assert isinstance(fitted, LinearSurrogate)
        blob = replace(fitted, intercepts=fitted.intercepts + by).to_bytes()
        self.publish(session_id, current.model_copy(update={"version": version_of(blob)}), blob)

    def damage(self, session_id: str) -> None:
        """Of the surrogate in use nothing can be read any more."""
        current = self.stores.surrogates.current(session_id)
        assert current is not None
        self.client.set(keys.surrogate_blob(session_id, current.version), b"damaged")

    def publish(self, session_id: str, version: SurrogateVersion, blob: bytes) -> None:
        """As a refit would, and the session is as due as before."""
        lease = self.stores.due.acquire(session_id, 30.0)
        assert lease is not None
        assert self.stores.surrogates.publish(lease, version, blob)
        self.stores.due.release(lease)

    def failure(self, session_id: str = "s1") -> RefitFailure | None:
        raw = self.client.get(keys.refit_failure(session_id))
        return None if raw is None else RefitFailure.model_validate_json(raw)

    def measured(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"apa_{name}", labels) or 0.0
