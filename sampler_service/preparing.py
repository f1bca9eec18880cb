"""Before a run: look up what the call names, load its surrogate, reserve its budget. Blocking."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from apa.errors import ApaError, FailedPrecondition, Unavailable
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.asking import answers_to
from apa.records.session import Session, SurrogateVersion
from apa.store.due import DueStore
from apa.store.sessions import SessionStore
from apa.store.slates import Reservation, SlateStore
from apa.store.surrogates import Steering, SurrogateStore
from apa.surrogates.base import Surrogate
from sampler_service.calls import (
    Job,
    SampleCall,
    check_previews,
    check_target,
    cold_particles,
    resolve_config,
    resolve_num_particles,
)
from sampler_service.config import SamplerSettings
from sampler_service.live_catalogues import LiveCatalogues
from sampler_service.masks import check_maskable
from sampler_service.prior_registry import PriorRegistry
from sampler_service.surrogate_cache import SurrogateCache


@dataclass(frozen=True)
class Stores:
    """The parts of the store that the sampler speaks to."""

    sessions: SessionStore
    slates: SlateStore
    surrogates: SurrogateStore
    due: DueStore


@dataclass(frozen=True)
class Learnt:
    """What is known of a session's taste, and the prior that it is known on."""

    session: Session
    prior: Prior
    surrogate: Surrogate
    version: SurrogateVersion
    catalogue: Catalogue | None


@dataclass(frozen=True)
class Preparing:
    """Turns a call into a job."""

    stores: Stores
    priors: PriorRegistry
    catalogues: LiveCatalogues
    cache: SurrogateCache
    settings: SamplerSettings

    def job(self, call: SampleCall) -> Job:
        """Everything that the run needs; whoever gets a reservation stores its slate or releases it.

        Raises:
            InvalidArgument: the call names nothing to sample, or a value out of range.
            NotFound: no such session or prior.
            AlreadyExists: the request id was used with other arguments.
            Unavailable: the store is away, the same request is under way, or a refit has to come first.
            FailedPrecondition: the session is closed, or its pinned surrogate is of the prior's last version.
            DataLoss: the prior's folder or the surrogate's artifact is damaged.
        """
        check_target(call)
        return self._of_session(call) if call.session_id else self._unsteered(call)

    def learnt(self, session_id: str) -> Learnt:
        """What would steer the session's next run. Nothing is reserved; a closed session has it too.

        Raises:
            NotFound: no such session or prior.
            Unavailable: the store is away, or a refit has to come first.
            FailedPrecondition: nothing is learnt yet, or the pinned surrogate is of the prior's last version.
            DataLoss: the prior's folder or the surrogate's artifact is damaged.
        """
        session = self.stores.sessions.get(session_id)
        prior = self.priors.get(session.config.prior)
        steering = self.stores.surrogates.steering(session_id)
        if steering is None:
            raise FailedPrecondition(
                "nothing is learnt of this session yet",
                field="session_id",
                expected="a session with a surrogate, which its first refit makes",
                found=session_id,
            )
        surrogate = self._surrogate(session, prior, steering)
        catalogue = self.catalogues.of(session.config.prior, prior)
        return Learnt(session, prior, surrogate, steering.version, catalogue)

    def _unsteered(self, call: SampleCall) -> Job:
        prior = self.priors.get(call.prior)
        check_maskable(call.masks, None)
        return Job(
            call=call,
            prior=prior,
            session=None,
            reservation=None,
            surrogate=None,
            version=None,
            config=resolve_config(call, None, self.settings, prior),
            num_particles=self._num_particles(call, None, prior),
        )

    def ahead(self, call: SampleCall) -> Job | None:
        """What a session's call resolves to, without a reservation; None while there is nothing to prepare.

        There is nothing while the session is closed, its budget is spent, a slate of it waits for answers, a
        version is pinned, or answers came that the newest is not fitted on. Raises as `job` does.
        """
        ledger = self.stores.sessions.ledger(call.session_id)
        if ledger.closed_at is not None or ledger.reserved:
            return None
        job = self._resolved(call)
        assert job.session is not None
        steering = self.stores.surrogates.steering(call.session_id)
        if job.version is None or steering is None or steering.is_pinned:
            return None
        spent = ledger.spent >= job.session.config.budget
        return None if spent or job.version.trained_events < ledger.num_events else job

    def _of_session(self, call: SampleCall) -> Job:
        resolved = self._resolved(call)
        assert resolved.session is not None
        job = replace(resolved, reservation=self._reserve(call, resolved.session))
        if job.surrogate is not None:
            return job
        return replace(job, num_particles=min(cold_particles(job), self.settings.max_particles))

    def _resolved(self, call: SampleCall) -> Job:
        """Of a session, with nothing reserved."""
        session = self.stores.sessions.get(call.session_id)
        prior = self.priors.get(session.config.prior)
        steering = self.stores.surrogates.steering(session.session_id)
        version = None if steering is None else steering.version
        beta_factor = 1.0 if version is None else version.beta_factor
        config = resolve_config(call, session, self.settings, prior, beta_factor)
        num_particles = self._num_particles(call, session, prior)
        surrogate = None if steering is None else self._surrogate(session, prior, steering)
        catalogue = self.catalogues.of(session.config.prior, prior)
        check_maskable(call.masks, catalogue)
        return Job(call, prior, session, None, surrogate, version, config, num_particles, catalogue)

    def _num_particles(self, call: SampleCall, session: Session | None, prior: Prior) -> int:
        """N, of which as many can be previewed as the call asks for."""
        num_particles = resolve_num_particles(call, session, self.settings)
        check_previews(call, num_particles, prior.data_shape, self.settings.max_message_bytes)
        return num_particles

    def _reserve(self, call: SampleCall, session: Session) -> Reservation:
        return self.stores.slates.reserve(
            session.session_id,
            call.request_id,
            secrets.token_hex(8),
            answers_to(session.config, session.config.particles_per_round),
            self.settings.reservation_lifetime_s,
            call.arguments,
        )

    def _surrogate(self, session: Session, prior: Prior, steering: Steering) -> Surrogate:
        """What the pointer names now; the run keeps it to its end."""
        surrogate = self.cache.get(session.session_id, steering.version.version)
        if surrogate.prior_hash and surrogate.prior_hash != prior.content_hash:
            if steering.is_pinned:
                raise _pinned_to_another_prior(surrogate, prior)
            self.stores.due.mark(session.session_id)
            raise _of_another_prior(surrogate, prior)
        return surrogate


def _pinned_to_another_prior(surrogate: Surrogate, prior: Prior) -> ApaError:
    return FailedPrecondition(
        "the session's pinned surrogate was fitted on another version of its prior; release it",
        field="pinned_version",
        expected=prior.content_hash[:16],
        found=surrogate.prior_hash[:16],
    )


def _of_another_prior(surrogate: Surrogate, prior: Prior) -> ApaError:
    return Unavailable(
        "the session's surrogate was fitted on another version of its prior; a refit is due",
        field="prior",
        expected=surrogate.prior_hash[:16],
        found=prior.content_hash[:16],
        retry_after_s=1.0,
    )
