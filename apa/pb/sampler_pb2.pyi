from apa.pb import common_pb2 as _common_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class SampleRequest(_message.Message):
    __slots__ = ("request_id", "session_id", "prior", "num_particles", "sampling", "include_particles", "progress_every", "tenant", "preview_particles", "exclude_item_ids", "only_item_ids")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    NUM_PARTICLES_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    INCLUDE_PARTICLES_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_EVERY_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_PARTICLES_FIELD_NUMBER: _ClassVar[int]
    EXCLUDE_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    ONLY_ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    session_id: str
    prior: str
    num_particles: int
    sampling: _common_pb2.SamplingOptions
    include_particles: bool
    progress_every: int
    tenant: str
    preview_particles: int
    exclude_item_ids: _containers.RepeatedScalarFieldContainer[str]
    only_item_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, request_id: _Optional[str] = ..., session_id: _Optional[str] = ..., prior: _Optional[str] = ..., num_particles: _Optional[int] = ..., sampling: _Optional[_Union[_common_pb2.SamplingOptions, _Mapping]] = ..., include_particles: _Optional[bool] = ..., progress_every: _Optional[int] = ..., tenant: _Optional[str] = ..., preview_particles: _Optional[int] = ..., exclude_item_ids: _Optional[_Iterable[str]] = ..., only_item_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class SampleResponse(_message.Message):
    __slots__ = ("sequence", "started", "progress", "chunk", "slate", "finished")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    STARTED_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    SLATE_FIELD_NUMBER: _ClassVar[int]
    FINISHED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    started: Started
    progress: Progress
    chunk: ParticleChunk
    slate: _common_pb2.Slate
    finished: Finished
    def __init__(self, sequence: _Optional[int] = ..., started: _Optional[_Union[Started, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., chunk: _Optional[_Union[ParticleChunk, _Mapping]] = ..., slate: _Optional[_Union[_common_pb2.Slate, _Mapping]] = ..., finished: _Optional[_Union[Finished, _Mapping]] = ...) -> None: ...

class Started(_message.Message):
    __slots__ = ("run_id", "request_id", "prior", "surrogate_version", "sampling", "num_particles", "replayed", "route", "route_reason", "prepared")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    NUM_PARTICLES_FIELD_NUMBER: _ClassVar[int]
    REPLAYED_FIELD_NUMBER: _ClassVar[int]
    ROUTE_FIELD_NUMBER: _ClassVar[int]
    ROUTE_REASON_FIELD_NUMBER: _ClassVar[int]
    PREPARED_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    request_id: str
    prior: str
    surrogate_version: str
    sampling: _common_pb2.SamplingOptions
    num_particles: int
    replayed: bool
    route: str
    route_reason: str
    prepared: bool
    def __init__(self, run_id: _Optional[str] = ..., request_id: _Optional[str] = ..., prior: _Optional[str] = ..., surrogate_version: _Optional[str] = ..., sampling: _Optional[_Union[_common_pb2.SamplingOptions, _Mapping]] = ..., num_particles: _Optional[int] = ..., replayed: _Optional[bool] = ..., route: _Optional[str] = ..., route_reason: _Optional[str] = ..., prepared: _Optional[bool] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("step", "num_steps", "ess", "log_z", "num_resamplings", "preview")
    STEP_FIELD_NUMBER: _ClassVar[int]
    NUM_STEPS_FIELD_NUMBER: _ClassVar[int]
    ESS_FIELD_NUMBER: _ClassVar[int]
    LOG_Z_FIELD_NUMBER: _ClassVar[int]
    NUM_RESAMPLINGS_FIELD_NUMBER: _ClassVar[int]
    PREVIEW_FIELD_NUMBER: _ClassVar[int]
    step: int
    num_steps: int
    ess: float
    log_z: float
    num_resamplings: int
    preview: Preview
    def __init__(self, step: _Optional[int] = ..., num_steps: _Optional[int] = ..., ess: _Optional[float] = ..., log_z: _Optional[float] = ..., num_resamplings: _Optional[int] = ..., preview: _Optional[_Union[Preview, _Mapping]] = ...) -> None: ...

class Preview(_message.Message):
    __slots__ = ("rows", "x_0_hat", "log_weights")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    X_0_HAT_FIELD_NUMBER: _ClassVar[int]
    LOG_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedScalarFieldContainer[int]
    x_0_hat: _common_pb2.Tensor
    log_weights: _common_pb2.Tensor
    def __init__(self, rows: _Optional[_Iterable[int]] = ..., x_0_hat: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ..., log_weights: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ...) -> None: ...

class ParticleChunk(_message.Message):
    __slots__ = ("offset", "x", "log_weights", "last")
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    LOG_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    offset: int
    x: _common_pb2.Tensor
    log_weights: _common_pb2.Tensor
    last: bool
    def __init__(self, offset: _Optional[int] = ..., x: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ..., log_weights: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ..., last: _Optional[bool] = ...) -> None: ...

class Finished(_message.Message):
    __slots__ = ("log_z", "kl_to_prior", "ess_history", "num_resamplings", "unique_ancestors", "clip_events", "queue_seconds", "run_seconds", "denoiser_evaluations", "certificate")
    LOG_Z_FIELD_NUMBER: _ClassVar[int]
    KL_TO_PRIOR_FIELD_NUMBER: _ClassVar[int]
    ESS_HISTORY_FIELD_NUMBER: _ClassVar[int]
    NUM_RESAMPLINGS_FIELD_NUMBER: _ClassVar[int]
    UNIQUE_ANCESTORS_FIELD_NUMBER: _ClassVar[int]
    CLIP_EVENTS_FIELD_NUMBER: _ClassVar[int]
    QUEUE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUN_SECONDS_FIELD_NUMBER: _ClassVar[int]
    DENOISER_EVALUATIONS_FIELD_NUMBER: _ClassVar[int]
    CERTIFICATE_FIELD_NUMBER: _ClassVar[int]
    log_z: float
    kl_to_prior: float
    ess_history: _containers.RepeatedScalarFieldContainer[float]
    num_resamplings: int
    unique_ancestors: int
    clip_events: int
    queue_seconds: float
    run_seconds: float
    denoiser_evaluations: int
    certificate: Certificate
    def __init__(self, log_z: _Optional[float] = ..., kl_to_prior: _Optional[float] = ..., ess_history: _Optional[_Iterable[float]] = ..., num_resamplings: _Optional[int] = ..., unique_ancestors: _Optional[int] = ..., clip_events: _Optional[int] = ..., queue_seconds: _Optional[float] = ..., run_seconds: _Optional[float] = ..., denoiser_evaluations: _Optional[int] = ..., certificate: _Optional[_Union[Certificate, _Mapping]] = ...) -> None: ...

class Certificate(_message.Message):
    __slots__ = ("log_z", "log_z_lower", "log_z_upper", "kl_to_prior", "effective_ancestors", "adequate")
    LOG_Z_FIELD_NUMBER: _ClassVar[int]
    LOG_Z_LOWER_FIELD_NUMBER: _ClassVar[int]
    LOG_Z_UPPER_FIELD_NUMBER: _ClassVar[int]
    KL_TO_PRIOR_FIELD_NUMBER: _ClassVar[int]
    EFFECTIVE_ANCESTORS_FIELD_NUMBER: _ClassVar[int]
    ADEQUATE_FIELD_NUMBER: _ClassVar[int]
    log_z: float
    log_z_lower: float
    log_z_upper: float
    kl_to_prior: float
    effective_ancestors: float
    adequate: bool
    def __init__(self, log_z: _Optional[float] = ..., log_z_lower: _Optional[float] = ..., log_z_upper: _Optional[float] = ..., kl_to_prior: _Optional[float] = ..., effective_ancestors: _Optional[float] = ..., adequate: _Optional[bool] = ...) -> None: ...

class ListPriorsRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ListPriorsResponse(_message.Message):
    __slots__ = ("priors",)
    PRIORS_FIELD_NUMBER: _ClassVar[int]
    priors: _containers.RepeatedCompositeFieldContainer[_common_pb2.PriorCard]
    def __init__(self, priors: _Optional[_Iterable[_Union[_common_pb2.PriorCard, _Mapping]]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("session_id", "item_ids", "x")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    X_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    x: _common_pb2.Tensor
    def __init__(self, session_id: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ..., x: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("predicted_mean", "predicted_std", "surrogate_version")
    PREDICTED_MEAN_FIELD_NUMBER: _ClassVar[int]
    PREDICTED_STD_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_VERSION_FIELD_NUMBER: _ClassVar[int]
    predicted_mean: _containers.RepeatedScalarFieldContainer[float]
    predicted_std: _containers.RepeatedScalarFieldContainer[float]
    surrogate_version: str
    def __init__(self, predicted_mean: _Optional[_Iterable[float]] = ..., predicted_std: _Optional[_Iterable[float]] = ..., surrogate_version: _Optional[str] = ...) -> None: ...

class NewItem(_message.Message):
    __slots__ = ("item_id", "title", "attributes", "vector", "in_stock")
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
    VECTOR_FIELD_NUMBER: _ClassVar[int]
    IN_STOCK_FIELD_NUMBER: _ClassVar[int]
    item_id: str
    title: str
    attributes: _containers.ScalarMap[str, str]
    vector: _common_pb2.Tensor
    in_stock: bool
    def __init__(self, item_id: _Optional[str] = ..., title: _Optional[str] = ..., attributes: _Optional[_Mapping[str, str]] = ..., vector: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ..., in_stock: _Optional[bool] = ...) -> None: ...

class UpsertItemsRequest(_message.Message):
    __slots__ = ("prior", "items", "vectors")
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    VECTORS_FIELD_NUMBER: _ClassVar[int]
    prior: str
    items: _containers.RepeatedCompositeFieldContainer[NewItem]
    vectors: _common_pb2.Tensor
    def __init__(self, prior: _Optional[str] = ..., items: _Optional[_Iterable[_Union[NewItem, _Mapping]]] = ..., vectors: _Optional[_Union[_common_pb2.Tensor, _Mapping]] = ...) -> None: ...

class UpsertItemsResponse(_message.Message):
    __slots__ = ("revision", "changed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changed: int
    def __init__(self, revision: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...

class DeleteItemsRequest(_message.Message):
    __slots__ = ("prior", "item_ids")
    PRIOR_FIELD_NUMBER: _ClassVar[int]
    ITEM_IDS_FIELD_NUMBER: _ClassVar[int]
    prior: str
    item_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, prior: _Optional[str] = ..., item_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class DeleteItemsResponse(_message.Message):
    __slots__ = ("revision", "changed")
    REVISION_FIELD_NUMBER: _ClassVar[int]
    CHANGED_FIELD_NUMBER: _ClassVar[int]
    revision: int
    changed: int
    def __init__(self, revision: _Optional[int] = ..., changed: _Optional[int] = ...) -> None: ...
