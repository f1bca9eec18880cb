"""Records of every kind, as they may be."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from apa.records.feedback import (
    Acknowledgement,
    BinaryAnswer,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
)
from apa.records.history import PastItem, PastSlate, RecordedFeedback
from apa.records.run_events import Certificate, Finished, ParticleChunk, Preview, Progress, Started
from apa.records.sampling import RouteName, RouteOption, SamplingOverrides
from apa.records.session import (
    Ledger,
    PolicyName,
    RefitFailure,
    RefitQuality,
    Session,
    SessionConfig,
    SurrogateVersion,
)
from apa.records.shown import CatalogueItem, SessionView, ShownItem, ShownSlate
from apa.records.slate import SelectionReason

IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=20)
TIMES = st.floats(1e9, 4e9)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
COUNTS = st.integers(0, 2**31)
UNIT = st.floats(0, 1)

OVERRIDES = st.builds(
    SamplingOverrides,
    num_steps=st.none() | st.integers(1, 1000),
    beta=st.none() | st.floats(-1e4, 1e4),
    corrector=st.none()
    | st.sampled_from(["fkc", "twisted", "clipped", "clipped_without_drift", "guidance", "none"]),
    resampling=st.none() | st.sampled_from(["systematic", "stratified", "multinomial", "ssp"]),
    ess_threshold=st.none() | UNIT,
    integrator=st.none() | st.sampled_from(["euler_maruyama", "ancestral"]),
    grid=st.none() | st.sampled_from(["uniform", "log_snr"]),
    seed=st.none() | st.integers(0, 2**63 - 1),
    t_start=st.none() | st.floats(0.01, 1.0),
    route=st.none() | st.sampled_from(get_args(RouteOption)),
    active_interval=st.none()
    | st.lists(UNIT, min_size=2, max_size=2, unique=True).map(lambda ends: tuple(sorted(ends))),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,20}", fullmatch=True)
COMMON_CONFIG = {
    "prior": TEXTS,
    "budget": st.integers(1, 1_000_000),
    "particles_per_round": st.integers(2, 64),
    "num_particles": st.integers(64, 4096),
    "policy": st.sampled_from(get_args(PolicyName)),
    "sampling": OVERRIDES,
    "raters": st.lists(NAMES, max_size=4, unique=True).map(tuple),
    "answer_wait_s": st.none() | st.floats(1e-3, 1e6),
}
CONFIGS = st.one_of(
    st.builds(
        SessionConfig,
        feedback_kind=st.just("scalar"),
        surrogate=st.just("cnn"),
        refit_on=st.sampled_from(["all", "round"]),
        aggregation=st.sampled_from(["mean", "max", "least_misery"]),
        **COMMON_CONFIG,
    ),
    st.builds(
        SessionConfig,
        feedback_kind=st.sampled_from(["scalar", "ranking"]),
        surrogate=st.just("gp"),
        cohort=st.sampled_from(["", "viewers", "a.b:c-1"]),
        **COMMON_CONFIG,
    ),
    st.builds(
        SessionConfig,
        feedback_kind=st.just("binary"),
        aggregation=st.sampled_from(["mean", "max", "least_misery"]),
        default_reward=st.sampled_from([0.0, 1.0]),
        **(COMMON_CONFIG | {"answer_wait_s": st.floats(1e-3, 1e6)}),
    ),
    st.builds(
        SessionConfig,
        feedback_kind=st.sampled_from(["pairwise", "ranking"]),
        surrogate=st.sampled_from(["linear", "cnn"]),
        **COMMON_CONFIG,
    ),
)
SESSIONS = st.builds(Session, session_id=IDS, tenant=IDS, user_id=TEXTS, config=CONFIGS, created_at=TIMES)
LEDGERS = st.builds(
    Ledger,
    spent=COUNTS,
    reserved=COUNTS,
    round_index=COUNTS,
    num_events=COUNTS,
    closed_at=st.none() | TIMES,
)
QUALITIES = st.builds(
    RefitQuality,
    num_answers=COUNTS,
    coverage=UNIT,
    gap=FINITE,
    gap_error=st.floats(0, 1e9),
    beta_factor=st.floats(1e-3, 1),
)
SURROGATES = st.builds(
    SurrogateVersion,
    version=TEXTS,
    family=st.sampled_from(["linear", "cnn"]),
    trained_events=COUNTS,
    published_at=TIMES,
    quality=st.none() | QUALITIES,
)
FAILURES = st.builds(
    RefitFailure, error=TEXTS, message=st.text(max_size=40), num_events=COUNTS, failed_at=TIMES
)
VIEWS = st.builds(
    SessionView,
    session=SESSIONS,
    ledger=LEDGERS,
    surrogate=st.none() | SURROGATES,
    refit_failure=st.none() | FAILURES,
    pinned_version=st.text(max_size=5),
)

ITEMS = st.builds(
    CatalogueItem, item_id=TEXTS, title=TEXTS, attributes=st.dictionaries(TEXTS, TEXTS, max_size=3)
)
TENSORS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=3))
SHOWN_ITEMS = st.builds(
    ShownItem,
    particle_id=IDS,
    population_index=COUNTS,
    x=TENSORS,
    reason=st.sampled_from(get_args(SelectionReason)),
    propensity=st.floats(1e-9, 1),
    predicted_mean=FINITE,
    predicted_std=FINITE,
    score=FINITE,
    decoded=st.none() | st.binary(max_size=20) | ITEMS,
    stored_draw=st.just("") | IDS,
)
SLATES = st.builds(
    ShownSlate,
    slate_id=IDS,
    session_id=IDS,
    items=st.lists(SHOWN_ITEMS, max_size=3).map(tuple),
    round_index=COUNTS,
    asked=COUNTS,
    surrogate_version=st.text(max_size=5),
    expires_at=TIMES,
    created_at=TIMES,
    policy=st.just("") | st.sampled_from(get_args(PolicyName)),
)


def _chunk(num: int) -> st.SearchStrategy[ParticleChunk]:
    return st.builds(
        ParticleChunk,
        offset=COUNTS,
        x=arrays.arrays(np.float32, (num, 2)),
        log_weights=arrays.arrays(np.float64, num),
        last=st.booleans(),
    )


def _preview(num: int) -> st.SearchStrategy[Preview]:
    return st.builds(
        Preview,
        rows=st.lists(st.integers(0, 4095), min_size=num, max_size=num).map(tuple),
        x_0_hat=arrays.arrays(np.float32, (num, 2)),
        log_weights=arrays.arrays(np.float64, num),
    )


EVENTS: st.SearchStrategy[Any] = st.one_of(
    st.builds(
        Started,
        run_id=IDS,
        request_id=IDS,
        prior=TEXTS,
        surrogate_version=st.text(max_size=5),
        sampling=OVERRIDES,
        num_particles=COUNTS,
        replayed=st.booleans(),
        route=st.sampled_from(["", *get_args(RouteName)]),
        route_reason=st.text(max_size=20),
    ),
    st.builds(
        Progress,
        step=COUNTS,
        num_steps=COUNTS,
        ess=FINITE,
        log_z=st.none() | FINITE,
        num_resamplings=COUNTS,
        preview=st.none() | st.integers(1, 4).flatmap(_preview),
    ),
    st.integers(0, 4).flatmap(_chunk),
    SLATES,
    st.builds(
        Finished,
        log_z=st.none() | FINITE,
        kl_to_prior=st.none() | FINITE,
        ess_history=st.lists(FINITE, max_size=4).map(tuple),
        num_resamplings=COUNTS,
        unique_ancestors=COUNTS,
        clip_events=COUNTS,
        queue_seconds=UNIT,
        run_seconds=UNIT,
        denoiser_evaluations=st.integers(0, 2**64 - 1),
        certificate=st.none()
        | st.builds(
            Certificate,
            log_z=FINITE,
            log_z_lower=FINITE,
            log_z_upper=st.none() | FINITE,
            kl_to_prior=FINITE,
            effective_ancestors=FINITE,
            adequate=st.booleans(),
        ),
    ),
)

ANSWERS = st.one_of(
    st.builds(ScalarAnswer, particle_id=TEXTS, reward=st.floats(-1e6, 1e6)),
    st.builds(BinaryAnswer, particle_id=TEXTS, liked=st.booleans()),
    st.lists(TEXTS, min_size=2, max_size=2, unique=True).map(
        lambda pair: PairwiseAnswer(preferred=pair[0], other=pair[1])
    ),
    st.lists(TEXTS, min_size=2, max_size=6, unique=True).map(
        lambda ids: RankingAnswer(particle_ids=tuple(ids))
    ),
)
FEEDBACKS = st.builds(
    Feedback,
    feedback_id=IDS,
    session_id=IDS,
    answer=ANSWERS,
    rater=st.just("") | NAMES,
    supersedes=st.just("") | IDS,
)
PAST_ITEMS = st.builds(
    PastItem,
    particle_id=IDS,
    x=st.none() | TENSORS,
    population_index=COUNTS,
    reason=st.none() | st.sampled_from(["cold_start", "top", "random", "sampled", "diverse"]),
    propensity=UNIT,
    predicted_mean=FINITE,
    predicted_std=FINITE,
    item_id=st.none() | TEXTS,
    score=FINITE,
    stored_draw=st.none() | IDS,
)
HISTORY: st.SearchStrategy[Any] = st.one_of(
    VIEWS,
    st.builds(
        PastSlate,
        slate_id=IDS,
        session_id=IDS,
        items=st.lists(PAST_ITEMS, max_size=3).map(tuple),
        round_index=COUNTS,
        asked=COUNTS,
        surrogate_version=st.text(max_size=5),
        created_at=st.just(0.0) | TIMES,
        expires_at=st.just(0.0) | TIMES,
        policy=st.text(max_size=5),
    ),
    st.builds(
        RecordedFeedback,
        sequence=st.integers(1, 2**31),
        feedback=FEEDBACKS,
        recorded_at=TIMES,
        defaulted=st.booleans(),
    ),
    SURROGATES,
)
ACKNOWLEDGEMENTS = st.builds(
    Acknowledgement,
    feedback_id=IDS,
    sequence=st.integers(1, 2**31),
    duplicate=st.booleans(),
    spent=COUNTS,
    remaining=COUNTS,
)
