"""A `Sample` call in the domain's words, and what it resolves to before its run starts."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from apa.errors import InvalidArgument
from apa.priors.base import Prior
from apa.priors.catalogue import Catalogue
from apa.records.asking import shown_for
from apa.records.sampling import CLIPPED, SamplingConfig, SamplingOverrides
from apa.records.session import Session, SurrogateVersion
from apa.store.slates import Reservation
from apa.surrogates.base import Surrogate
from apa.wire.run_events import most_previewed
from sampler_service.config import SamplerSettings
from sampler_service.correctors import CORRECTORS
from sampler_service.grids import start_time
from sampler_service.masks import NO_MASKS, Masks
from sampler_service.selection import DRAWS_PER_PARTICLE, POLICIES


@dataclass(frozen=True)
class SampleCall:
    """What the caller asked for.

    Attributes:
        session_id: "" for an unsteered run of `prior`.
        num_particles: N; 0 for the session's, or the service's default.
        progress_every: steps between two Progress events; 0 for none.
        preview_particles: denoised estimates that each of these carries; 0 for none.
        masks: which items may be shown.
    """

    request_id: str
    session_id: str
    prior: str
    num_particles: int
    sampling: SamplingOverrides
    include_particles: bool
    progress_every: int
    tenant: str
    preview_particles: int = 0
    masks: Masks = NO_MASKS

    @property
    def arguments(self) -> dict[str, object]:
        """What a slate depends on, by name, without what the call leaves out."""
        sampling = self.sampling.model_dump(mode="json", exclude_none=True)
        named: dict[str, object] = {f"sampling.{name}": value for name, value in sampling.items()}
        return (
            named
            | ({"num_particles": self.num_particles} if self.num_particles else {})
            | self.masks.arguments
        )


@dataclass(frozen=True)
class Job:
    """A call with everything found that its run needs.

    Attributes:
        session, reservation: None for an unsteered run without a session.
        surrogate, version: None for the prior itself: no session, or nothing learnt yet.
        config: with the seed drawn.
        catalogue: what can be shown, as it was when the run began; None where the prior has no items.
    """

    call: SampleCall
    prior: Prior
    session: Session | None
    reservation: Reservation | None
    surrogate: Surrogate | None
    version: SurrogateVersion | None
    config: SamplingConfig
    num_particles: int
    catalogue: Catalogue | None = None

    @property
    def surrogate_version(self) -> str:
        return "" if self.version is None else self.version.version

    @property
    def num_shown(self) -> int:
        """Particles of the slate: as many as it asks about, or k once the budget is spent."""
        if self.session is None or self.reservation is None:
            return 0
        return shown_for(self.session.config, self.reservation.asked)


def cold_particles(job: Job) -> int:
    """Particles of a session's run before anything is learnt: what is shown, or what that is chosen from.

    Args:
        job: with the N that its later runs have.
    """
    assert job.session is not None
    explores = POLICIES[job.session.config.policy].looks_around
    return max(job.num_shown, DRAWS_PER_PARTICLE * job.num_particles if explores else 0)


def check_target(call: SampleCall) -> None:
    """Raises InvalidArgument unless the call names a session or a prior."""
    if not call.session_id and not call.prior:
        raise InvalidArgument(
            "nothing to sample", field="session_id", expected="a session_id, or a prior", found="neither"
        )
    if call.session_id and call.prior:
        raise InvalidArgument(
            "a session brings its own prior",
            field="prior",
            expected="empty with a session_id",
            found=call.prior,
        )


def resolve_config(
    call: SampleCall,
    session: Session | None,
    settings: SamplerSettings,
    prior: Prior,
    beta_factor: float = 1.0,
) -> SamplingConfig:
    """The service's defaults, then the session's options, then the call's; the seed is drawn if not given.

    Args:
        beta_factor: of the surrogate. A session's beta is a default too; one that the call names is obeyed,
            and so is the paper's form, which knows no such thing.
    """
    begin = start_time(prior.schedule, settings.t_start)
    config = settings.sampling().model_copy(update={"t_start": begin})
    if session is not None:
        config = config.merged(session.config.sampling)
    config = _with_fitting_integrator(config.merged(call.sampling), call, session)
    if call.sampling.beta is None and config.corrector not in CLIPPED:
        config = config.model_copy(update={"beta": config.beta * beta_factor})
    if config.num_steps > settings.max_steps:
        raise InvalidArgument(
            "too many steps",
            field="sampling.num_steps",
            expected=f"1 to {settings.max_steps}",
            found=str(config.num_steps),
        )
    _check_route(config, session)
    return config if config.seed is not None else config.model_copy(update={"seed": secrets.randbits(63)})


def route_named_by(call: SampleCall, session: Session | None) -> str:
    """Whose choice the run's route is, in words."""
    if call.sampling.route is not None:
        return "named by the caller"
    if session is not None and session.config.sampling.route is not None:
        return "named by the session"
    return "the service's default"


def _check_route(config: SamplingConfig, session: Session | None) -> None:
    """Raises InvalidArgument for a route that has nothing to weigh stored draws by, or weights to correct."""
    if config.route in ("auto", "steer"):
        return
    if session is None:
        raise InvalidArgument(
            "only a session's run has a target to weigh stored draws by",
            field="sampling.route",
            expected="auto, steer, or a session",
            found=config.route,
        )
    if not CORRECTORS[config.corrector].exact:
        raise InvalidArgument(
            "only exact weights lead from stored draws to the target",
            field="sampling.route",
            expected=f"auto or steer with corrector {config.corrector}, or corrector fkc or twisted",
            found=config.route,
        )


def _with_fitting_integrator(
    config: SamplingConfig, call: SampleCall, session: Session | None
) -> SamplingConfig:
    """Who names a corrector and no integrator gets one that it works with."""
    named = call.sampling.integrator or (session is not None and session.config.sampling.integrator)
    fitting = CORRECTORS[config.corrector].integrators
    if named or config.integrator in fitting:
        return config
    return config.model_copy(update={"integrator": fitting[0]})


def resolve_num_particles(call: SampleCall, session: Session | None, settings: SamplerSettings) -> int:
    """N, within the service's limit and at least k."""
    default = settings.num_particles if session is None else session.config.num_particles
    n = call.num_particles or default
    least = 1 if session is None else session.config.particles_per_round
    if not least <= n <= settings.max_particles:
        raise InvalidArgument(
            "the number of particles is out of range",
            field="num_particles",
            expected=f"{least} to {settings.max_particles}",
            found=str(n),
        )
    return n


def check_previews(
    call: SampleCall, num_particles: int, data_shape: Sequence[int], max_message_bytes: int
) -> None:
    """Raises InvalidArgument unless the call's previews have a Progress to travel with, and fit into it."""
    if not call.preview_particles:
        return
    if not call.progress_every:
        raise _no_such_preview(call, "0 without progress_every")
    if call.preview_particles > num_particles:
        raise _no_such_preview(call, f"at most {num_particles}, the particles of the run")
    most = most_previewed(data_shape, max_message_bytes)
    if call.preview_particles > most:
        raise _no_such_preview(
            call, f"at most {most}, what a message of {max_message_bytes} bytes holds of this prior"
        )


def _no_such_preview(call: SampleCall, expected: str) -> InvalidArgument:
    return InvalidArgument(
        "Progress cannot carry so many previews",
        field="preview_particles",
        expected=expected,
        found=str(call.preview_particles),
    )
