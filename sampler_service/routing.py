"""Which route a job's run takes, and what it needs to take it. Blocking."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Generator, Tensor, isfinite, zeros

from apa.errors import NumericalError, Unavailable
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.sampling import SamplingConfig
from apa.surrogates.base import Prediction, Surrogate
from sampler_service.calls import Job, route_named_by
from sampler_service.correctors import CORRECTORS
from sampler_service.exhaustive import Exhaustive
from sampler_service.population import Population
from sampler_service.potential import Potential, SurrogatePotential
from sampler_service.routes.choosing import RouteChoice, choose
from sampler_service.routes.outlook import Outlook
from sampler_service.routes.taking import joined_late, rank
from sampler_service.shelf_candidates import ShelfCandidates
from sampler_service.start import Start, start_from
from sampler_service.stored_candidates import StoredCandidates
from sampler_service.stored_pools import Stored

NOT_DRAWN = "the prior's stored draws are not there yet"
TOO_DEAR = "the surrogate would ask the denoiser about each of the stored draws, more than a run does"


class Pools(Protocol):
    """Where the stored draws of a prior are kept; each None where they are not there yet."""

    def get(self, prior: Prior) -> Stored | None: ...

    def features(self, stored: Stored, prior: Prior, level: float) -> Tensor | None: ...


class Reading(Protocol):
    """Who reads the rewards of stored draws; see `OnDevice`."""

    def latent(self, surrogate: Surrogate, x: Tensor, features: Tensor | None) -> Prediction | None: ...

    def rewards_denoised(self, prior: Prior, potential: Potential, x: Tensor, t: float) -> Tensor: ...


class ItemFeatures(Protocol):
    """Where the features of a catalogue's items are kept; None where they are not there yet."""

    def of(self, prior: Prior, level: float, catalogue: Catalogue) -> Tensor | None: ...


@dataclass(frozen=True)
class Ranked:
    """What takes the place of a run: N of the stored draws, and all that a slate is chosen among.

    Attributes:
        candidates: every stored draw, or every item of a catalogue; None where a surrogate would ask the
            denoiser about each item, or features of the items are not there yet: those around the draws are.
    """

    population: Population
    candidates: Exhaustive | None


@dataclass(frozen=True)
class Routed:
    """How a job's particles come about.

    Attributes:
        config: of the run; where it begins at stored draws, of the rest of the path.
        start: None for pure noise.
        ranked: None where there is a run.
        outlook: what the stored draws tell of the target; None where they were not asked.
        denoiser_evaluations: particles that the denoiser was asked about to tell, beside the run's own.
    """

    choice: RouteChoice
    config: SamplingConfig
    start: Start | None = None
    ranked: Ranked | None = None
    denoiser_evaluations: int = 0
    outlook: Outlook | None = None

    @property
    def looks_at_all(self) -> bool:
        """Whether the slate is chosen among all items of a catalogue."""
        return self.ranked is not None and isinstance(self.ranked.candidates, ShelfCandidates)


@dataclass(frozen=True)
class _Known:
    """What the stored draws tell of a target."""

    stored: Stored
    features: Tensor | None
    latent: Prediction | None
    outlook: Outlook
    denoiser_evaluations: int


@dataclass(frozen=True)
class Routing:
    """Obeys a route that is named, and else takes the cheapest that is adequate."""

    pools: Pools
    reading: Reading
    item_features: ItemFeatures

    def at_once(self, job: Job) -> Routed | None:
        """The route of a job that has nothing to weigh; None where `of` has to say. Never waits."""
        reason = _why_to_steer(job)
        return None if reason is None else _steered(job, reason)

    def of(self, job: Job) -> Routed:
        """The route of a job with a surrogate.

        Raises:
            Unavailable: the route is named, and the stored draws are not there yet.
            NumericalError: the reward of a stored draw is not finite.
        """
        named = job.config.route
        assert job.surrogate is not None, "a job without a surrogate has nothing to weigh"
        known = self._known(job, job.surrogate)
        if named == "auto":
            if isinstance(known, str):
                return _steered(job, known)
            candidates = self._candidates(job, known)
            looks_at_all = not job.call.include_particles and isinstance(candidates, ShelfCandidates)
            choice = choose(known.outlook, job.num_particles, looks_at_all=looks_at_all)
            return self._routed(job, choice, known, candidates)
        if isinstance(known, str):
            raise _not_there_yet(job)
        choice = RouteChoice(named, route_named_by(job.call, job.session))
        return self._routed(job, choice, known, self._candidates(job, known) if named == "rank" else None)

    def _known(self, job: Job, surrogate: Surrogate) -> _Known | str:
        """Or why nothing is known."""
        prior, beta = job.prior, job.config.beta
        if job.config.route == "auto" and not self._weighs_cheaply(prior, surrogate):
            return TOO_DEAR
        stored = self.pools.get(prior)
        if stored is None:
            return NOT_DRAWN
        stored.draws.check(prior)
        x, level, features = stored.draws.x, surrogate.feature_level, None
        if level is not None:
            features = self.pools.features(stored, prior, level)
            if features is None:
                return NOT_DRAWN
        latent, asked = self.reading.latent(surrogate, x, features), 0
        if latent is not None:
            reward = latent.mean
        else:
            potential = SurrogatePotential(surrogate)
            reward, asked = self.reading.rewards_denoised(prior, potential, x, job.config.t_end), len(x)
        if not bool(isfinite(reward).all()):
            raise NumericalError("a non-finite reward of a stored draw", expected="finite rewards")
        return _Known(stored, features, latent, Outlook(reward, beta), asked)

    def _routed(self, job: Job, choice: RouteChoice, known: _Known, candidates: Exhaustive | None) -> Routed:
        seed = job.config.seed
        assert seed is not None, "a job's seed is drawn"
        draws, outlook, n = known.stored.draws, known.outlook, job.num_particles
        config, start, ranked = job.config, None, None
        if choice.name == "rank":
            ranked = Ranked(rank(draws, outlook, n, seed), candidates)
        elif choice.name == "pool_start":
            start = start_from(draws.x, outlook.reward, job.config.beta, n, Generator().manual_seed(seed))
            config = joined_late(config)
        return Routed(choice, config, start, ranked, known.denoiser_evaluations, outlook)

    def _candidates(self, job: Job, known: _Known) -> Exhaustive | None:
        if job.catalogue is None:
            return StoredCandidates(known.stored, known.features, known.outlook.tilt, known.latent)
        assert job.surrogate is not None
        level = job.surrogate.feature_level
        if level is None:
            # What reads stored draws by nothing but themselves reads items so too.
            return None if known.latent is None else ShelfCandidates(job.catalogue, job.call.masks)
        features = self.item_features.of(job.prior, level, job.catalogue)
        return None if features is None else ShelfCandidates(job.catalogue, job.call.masks, features)

    def _weighs_cheaply(self, prior: Prior, surrogate: Surrogate) -> bool:
        """Whether the reward of stored draws is had without the denoiser, once their features are known."""
        if surrogate.feature_level is not None:
            return True
        return self.reading.latent(surrogate, zeros(1, *prior.data_shape), None) is not None


def _why_to_steer(job: Job) -> str | None:
    """Why there is nothing to weigh; None where there is."""
    if job.session is None:
        return "draws of the prior itself"
    if job.surrogate is None:
        return "nothing is learnt yet: draws of the prior itself"
    if job.config.route == "steer":
        return route_named_by(job.call, job.session)
    if not CORRECTORS[job.config.corrector].exact:
        return f"the corrector {job.config.corrector} has no weights, and another route needs them"
    return None


def _steered(job: Job, reason: str) -> Routed:
    return Routed(RouteChoice("steer", reason), job.config)


def _not_there_yet(job: Job) -> Unavailable:
    return Unavailable(
        NOT_DRAWN,
        field="sampling.route",
        expected="auto or steer, or to wait until they are drawn",
        found=job.config.route,
        retry_after_s=1.0,
    )
