import datetime

from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class DataType(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    DATA_TYPE_UNSPECIFIED: _ClassVar[DataType]
    DATA_TYPE_FLOAT32: _ClassVar[DataType]
    DATA_TYPE_FLOAT64: _ClassVar[DataType]
    DATA_TYPE_INT64: _ClassVar[DataType]
    DATA_TYPE_UINT8: _ClassVar[DataType]

class FeedbackKind(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    FEEDBACK_KIND_UNSPECIFIED: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_SCALAR: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_BINARY: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_PAIRWISE: _ClassVar[FeedbackKind]
    FEEDBACK_KIND_RANKING: _ClassVar[FeedbackKind]

class RaterAggregation(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    RATER_AGGREGATION_UNSPECIFIED: _ClassVar[RaterAggregation]
    RATER_AGGREGATION_MEAN: _ClassVar[RaterAggregation]
    RATER_AGGREGATION_MAX: _ClassVar[RaterAggregation]
    RATER_AGGREGATION_LEAST_MISERY: _ClassVar[RaterAggregation]

class RefitOn(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    REFIT_ON_UNSPECIFIED: _ClassVar[RefitOn]
    REFIT_ON_ALL: _ClassVar[RefitOn]
    REFIT_ON_ROUND: _ClassVar[RefitOn]

class SelectionReason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
    __slots__ = ()
    SELECTION_REASON_UNSPECIFIED: _ClassVar[SelectionReason]
    SELECTION_REASON_COLD_START: _ClassVar[SelectionReason]
    SELECTION_REASON_TOP: _ClassVar[SelectionReason]
    SELECTION_REASON_RANDOM: _ClassVar[SelectionReason]
    SELECTION_REASON_SAMPLED: _ClassVar[SelectionReason]
    SELECTION_REASON_DIVERSE: _ClassVar[SelectionReason]
DATA_TYPE_UNSPECIFIED: DataType
DATA_TYPE_FLOAT32: DataType
DATA_TYPE_FLOAT64: DataType
DATA_TYPE_INT64: DataType
DATA_TYPE_UINT8: DataType
FEEDBACK_KIND_UNSPECIFIED: FeedbackKind
FEEDBACK_KIND_SCALAR: FeedbackKind
FEEDBACK_KIND_BINARY: FeedbackKind
FEEDBACK_KIND_PAIRWISE: FeedbackKind
FEEDBACK_KIND_RANKING: FeedbackKind
RATER_AGGREGATION_UNSPECIFIED: RaterAggregation
RATER_AGGREGATION_MEAN: RaterAggregation
RATER_AGGREGATION_MAX: RaterAggregation
RATER_AGGREGATION_LEAST_MISERY: RaterAggregation
REFIT_ON_UNSPECIFIED: RefitOn
REFIT_ON_ALL: RefitOn
REFIT_ON_ROUND: RefitOn
SELECTION_REASON_UNSPECIFIED: SelectionReason
SELECTION_REASON_COLD_START: SelectionReason
SELECTION_REASON_TOP: SelectionReason
SELECTION_REASON_RANDOM: SelectionReason
SELECTION_REASON_SAMPLED: SelectionReason
SELECTION_REASON_DIVERSE: SelectionReason

class Tensor(_message.Message):
    __slots__ = ("dtype", "shape", "data")
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    dtype: DataType
    shape: _containers.RepeatedScalarFieldContainer[int]
    data: bytes
    def __init__(self, dtype: _Optional[_Union[DataType, str]] = ..., shape: _Optional[_Iterable[int]] = ..., data: _Optional[bytes] = ...) -> None: ...

class CatalogueItem(_message.Message):
    __slots__ = ("item_id", "title", "attributes")
    class AttributesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ITEM_ID_FIELD_NUMBER: _ClassVar[int]
    TITLE_FIELD_NUMBER: _ClassVar[int]
    ATTRIBUTES_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    title: str
    attributes: _containers.ScalarMap[str, str]
    def __init__(self, item_id: _Optional[str] = ..., title: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ...) -> None: ...

class SlateItem(_message.Message):
    __slots__ = ("particle_id", "population_index", "x", "reason", "propensity", "predicted_mean", "predicted_std", "png", "item", "score", "stored_draw")
    PARTICLE_ID_FIELD_NUMBER: _ClassVar[int]
    POPULATION_INDEX_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    PROPENSITY_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_MEAN_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_STD_FIELD_NUMBER: _ClassVar[int]
    PNG_FIELD_NUMBER: _ClassVar[int]
    ITEM_FIELD_NUMBER: _ClassVar[int]
    SCORE_FIELD_NUMBER: _ClassVar[int]
    STORED_DRAW_FIELD_NUMBER: _ClassVar[int]
    particle_id: str
    population_index: int
    x: Tensor
    reason: SelectionReason
    propensity: float
    predicted_mean: float
    predicted_std: float
    png: bytes
    item: CatalogueItem
    score: float
    stored_draw: str
    def __init__(self, particle_id: _Optional[str] = ..., population_index: _Optional[int] = ..., x: _Optional[_Union[Tensor, _Mapping]] = ..., reason: _Optional[_Union[SelectionReason, str]] = ..., propensity: _Optional[float] = ..., predicted_mean: _Optional[float] = ..., predicted_std: _Optional[float] = ..., png: _Optional[bytes] = ..., item: _Optional[_Union[CatalogueItem, _Mapping]] = ..., score: _Optional[float] = ..., stored_draw: _Optional[str] = ...) -> None: ...

class Slate(_message.Message):
    __slots__ = ("slate_id", "session_id", "items", "round_index", "asked", "surrogate_version", "expires_at", "created_at", "policy")
    SLATE_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    ROUND_INDEX_FIELD_NUMBER: _ClassVar[int]
    ASKED_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_AT_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    slate_id: str
    session_id: str
    items: _containers.RepeatedCompositeFieldContainer[SlateItem]
    round_index: int
    asked: int
    surrogate_version: str
    expires_at: _timestamp_pb2.Timestamp
    created_at: _timestamp_pb2.Timestamp
    policy: str
    def __init__(self, slate_id: _Optional[str] = ..., session_id: _Optional[str] = ..., items: _Optional[_Iterable[_Union[SlateItem, _Mapping]]] = ..., round_index: _Optional[int] = ..., asked: _Optional[int] = ..., surrogate_version: _Optional[str] = ..., expires_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., policy: _Optional[str] = ...) -> None: ...

class SessionConfig(_message.Message):
    __slots__ = ("prior", "budget", "particles_per_round", "num_particles", "policy", "surrogate", "feedback_kind", "sampling", "raters", "aggregation", "answer_wait_seconds", "default_reward", "refit_on", "cohort")
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    BUDGET_FIELD_NUMBER: _ClassVar[int]
    PARTICLES_PER_ROUND_FIELD_NUMBER: _ClassVar[int]
    NUM_PARTICLES_FIELD_NUMBER: _ClassVar[int]
    POLICY_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_KIND_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    RATERS_FIELD_NUMBER: _ClassVar[int]
    AGGREGATION_FIELD_NUMBER: _ClassVar[int]
    ANSWER_WAIT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_REWARD_FIELD_NUMBER: _ClassVar[int]
    REFIT_ON_FIELD_NUMBER: _ClassVar[int]
    COHORT_FIELD_NUMBER: _ClassVar[int]
    prior: str
    budget: int
    particles_per_round: int
    num_particles: int
    policy: str
    surrogate: str
    feedback_kind: FeedbackKind
    sampling: SamplingOptions
    raters: _containers.RepeatedScalarFieldContainer[str]
    aggregation: RaterAggregation
    answer_wait_seconds: float
    default_reward: float
    refit_on: RefitOn
    cohort: str
    def __init__(self, prior: _Optional[str] = ..., budget: _Optional[int] = ..., particles_per_round: _Optional[int] = ..., num_particles: _Optional[int] = ..., policy: _Optional[str] = ..., surrogate: _Optional[str] = ..., feedback_kind: _Optional[_Union[FeedbackKind, str]] = ..., sampling: _Optional[_Union[SamplingOptions, _Mapping]] = ..., raters: _Optional[_Iterable[str]] = ..., aggregation: _Optional[_Union[RaterAggregation, str]] = ..., answer_wait_seconds: _Optional[float] = ..., default_reward: _Optional[float] = ..., refit_on: _Optional[_Union[RefitOn, str]] = ..., cohort: _Optional[str] = ...) -> None: ...

class SamplingOptions(_message.Message):
    __slots__ = ("num_steps", "beta", "corrector", "resampling", "ess_threshold", "integrator", "grid", "seed", "active_interval", "t_start", "route")
    NUM_STEPS_FIELD_NUMBER: _ClassVar[int]
    BETA_FIELD_NUMBER: _ClassVar[int]
    CORRECTOR_FIELD_NUMBER: _ClassVar[int]
    RESAMPLING_FIELD_NUMBER: _ClassVar[int]
    ESS_THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    INTEGRATOR_FIELD_NUMBER: _ClassVar[int]
    GRID_FIELD_NUMBER: _ClassVar[int]
    SEED_FIELD_NUMBER: _ClassVar[int]
    ACTIVE_INTERVAL_FIELD_NUMBER: _ClassVar[int]
    T_START_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    num_steps: int
    beta: float
    corrector: str
    resampling: str
    ess_threshold: float
    integrator: str
    grid: str
    seed: int
    active_interval: ActiveInterval
    t_start: float
    route: str
    def __init__(self, num_steps: _Optional[int] = ..., beta: _Optional[float] = ..., corrector: _Optional[str] = ..., resampling: _Optional[str] = ..., ess_threshold: _Optional[float] = ..., integrator: _Optional[str] = ..., grid: _Optional[str] = ..., seed: _Optional[int] = ..., active_interval: _Optional[_Union[ActiveInterval, _Mapping]] = ..., t_start: _Optional[float] = ..., route: _Optional[str] = ...) -> None: ...

class ActiveInterval(_message.Message):
    __slots__ = ("t_min", "t_max")
    T_MIN_FIELD_NUMBER: _ClassVar[int]
    T_MAX_FIELD_NUMBER: _ClassVar[int]
    t_min: float
    t_max: float
    def __init__(self, t_min: _Optional[float] = ..., t_max: _Optional[float] = ...) -> None: ...

class Session(_message.Message):
    __slots__ = ("session_id", "tenant", "user_id", "config", "created_at", "spent", "reserved", "round_index", "num_events", "surrogate", "refit_failure", "closed_at", "pinned_version")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    CREATED_AT_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    RESERVED_FIELD_NUMBER: _ClassVar[int]
    ROUND_INDEX_FIELD_NUMBER: _ClassVar[int]
    NUM_EVENTS_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    REFIT_FAILURE_FIELD_NUMBER: _ClassVar[int]
    CLOSED_AT_FIELD_NUMBER: _ClassVar[int]
    PINNED_VERSION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    tenant: str
    user_id: str
    config: SessionConfig
    created_at: _timestamp_pb2.Timestamp
    spent: int
    reserved: int
    round_index: int
    num_events: int
    surrogate: SurrogateVersion
    refit_failure: RefitFailure
    closed_at: _timestamp_pb2.Timestamp
    pinned_version: str
    def __init__(self, session_id: _Optional[str] = ..., tenant: _Optional[str] = ..., user_id: _Optional[str] = ..., config: _Optional[_Union[SessionConfig, _Mapping]] = ..., created_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., spent: _Optional[int] = ..., reserved: _Optional[int] = ..., round_index: _Optional[int] = ..., num_events: _Optional[int] = ..., surrogate: _Optional[_Union[SurrogateVersion, _Mapping]] = ..., refit_failure: _Optional[_Union[RefitFailure, _Mapping]] = ..., closed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., pinned_version: _Optional[str] = ...) -> None: ...

class RefitFailure(_message.Message):
    __slots__ = ("error", "message", "num_events", "failed_at")
    ERROR_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    NUM_EVENTS_FIELD_NUMBER: _ClassVar[int]
    FAILED_AT_FIELD_NUMBER: _ClassVar[int]
    error: str
    message: str
    num_events: int
    failed_at: _timestamp_pb2.Timestamp
    def __init__(self, error: _Optional[str] = ..., message: _Optional[str] = ..., num_events: _Optional[int] = ..., failed_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ...) -> None: ...

class SurrogateVersion(_message.Message):
    __slots__ = ("version", "family", "trained_events", "published_at", "quality")
    VERSION_FIELD_NUMBER: _ClassVar[int]
    FAMILY_FIELD_NUMBER: _ClassVar[int]
    TRAINED_EVENTS_FIELD_NUMBER: _ClassVar[int]
    PUBLISHED_AT_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    version: str
    family: str
    trained_events: int
    published_at: _timestamp_pb2.Timestamp
    quality: RefitQuality
    def __init__(self, version: _Optional[str] = ..., family: _Optional[str] = ..., trained_events: _Optional[int] = ..., published_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., quality: _Optional[_Union[RefitQuality, _Mapping]] = ...) -> None: ...

class RefitQuality(_message.Message):
    __slots__ = ("num_answers", "coverage", "gap", "gap_error", "beta_factor")
    NUM_ANSWERS_FIELD_NUMBER: _ClassVar[int]
    COVERAGE_FIELD_NUMBER: _ClassVar[int]
    GAP_FIELD_NUMBER: _ClassVar[int]
    GAP_ERROR_FIELD_NUMBER: _ClassVar[int]
    BETA_FACTOR_FIELD_NUMBER: _ClassVar[int]
    num_answers: int
    coverage: float
    gap: float
    gap_error: float
    beta_factor: float
    def __init__(self, num_answers: _Optional[int] = ..., coverage: _Optional[float] = ..., gap: _Optional[float] = ..., gap_error: _Optional[float] = ..., beta_factor: _Optional[float] = ...) -> None: ...

class PriorCard(_message.Message):
    __slots__ = ("name", "kind", "data_shape", "decoder", "num_items", "description", "data", "data_licence", "quality", "content_hash")
    class QualityEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    DATA_SHAPE_FIELD_NUMBER: _ClassVar[int]
    DECODER_FIELD_NUMBER: _ClassVar[int]
    NUM_ITEMS_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    DATA_LICENCE_FIELD_NUMBER: _ClassVar[int]
    QUALITY_FIELD_NUMBER: _ClassVar[int]
    CONTENT_HASH_FIELD_NUMBER: _ClassVar[int]
    name: str
    kind: str
    data_shape: _containers.RepeatedScalarFieldContainer[int]
    decoder: str
    num_items: int
    description: str
    data: str
    data_licence: str
    quality: _containers.ScalarMap[str, float]
    content_hash: str
    def __init__(self, name: _Optional[str] = ..., kind: _Optional[str] = ..., data_shape: _Optional[_Iterable[int]] = ..., decoder: _Optional[str] = ..., num_items: _Optional[int] = ..., description: _Optional[str] = ..., data: _Optional[str] = ..., data_licence: _Optional[str] = ..., quality: _Optional[_Mapping[str, float]] = ..., content_hash: _Optional[str] = ...) -> None: ...
