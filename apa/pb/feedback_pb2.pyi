import datetime

from apa.pb import common_pb2 as _common_pb2
from google.protobuf import timestamp_pb2 as _timestamp_pb2
from google.rpc import status_pb2 as _status_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class CreateSessionRequest(_message.Message):
    __slots__ = ("session_id", "tenant", "user_id", "config")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    TENANT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    CONFIG_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    tenant: str
    user_id: str
    config: _common_pb2.SessionConfig
    def __init__(self, session_id: _Optional[str] = ..., tenant: _Optional[str] = ..., user_id: _Optional[str] = ..., config: _Optional[_Union[_common_pb2.SessionConfig, _Mapping]] = ...) -> None: ...

class CreateSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ...) -> None: ...

class GetSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class GetSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ...) -> None: ...

class ListSessionsRequest(_message.Message):
    __slots__ = ("tenant", "user_id", "page_size", "page_token")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    PAGE_SIZE_FIELD_NUMBER: _ClassVar[int]
    PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    user_id: str
    page_size: int
    page_token: str
    def __init__(self, tenant: _Optional[str] = ..., user_id: _Optional[str] = ..., page_size: _Optional[int] = ..., page_token: _Optional[str] = ...) -> None: ...

class ListSessionsResponse(_message.Message):
    __slots__ = ("sessions", "next_page_token")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    NEXT_PAGE_TOKEN_FIELD_NUMBER: _ClassVar[int]
    sessions: _containers.RepeatedCompositeFieldContainer[_common_pb2.Session]
    next_page_token: str
    def __init__(self, sessions: _Optional[_Iterable[_Union[_common_pb2.Session, _Mapping]]] = ..., next_page_token: _Optional[str] = ...) -> None: ...

class FeedbackEvent(_message.Message):
    __slots__ = ("feedback_id", "session_id", "scalar", "binary", "pairwise", "ranking", "rater", "supersedes")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    SCALAR_FIELD_NUMBER: _ClassVar[int]
    BINARY_FIELD_NUMBER: _ClassVar[int]
    PAIRWISE_FIELD_NUMBER: _ClassVar[int]
    RANKING_FIELD_NUMBER: _ClassVar[int]
    RATER_FIELD_NUMBER: _ClassVar[int]
    SUPERSEDES_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    session_id: str
    scalar: ScalarAnswer
    binary: BinaryAnswer
    pairwise: PairwiseAnswer
    ranking: RankingAnswer
    rater: str
    supersedes: str
    def __init__(self, feedback_id: _Optional[str] = ..., session_id: _Optional[str] = ..., scalar: _Optional[_Union[ScalarAnswer, _Mapping]] = ..., binary: _Optional[_Union[BinaryAnswer, _Mapping]] = ..., pairwise: _Optional[_Union[PairwiseAnswer, _Mapping]] = ..., ranking: _Optional[_Union[RankingAnswer, _Mapping]] = ..., rater: _Optional[str] = ..., supersedes: _Optional[str] = ...) -> None: ...

class ScalarAnswer(_message.Message):
    __slots__ = ("particle_id", "reward")
    PARTICLE_ID_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    particle_id: str
    reward: float
    def __init__(self, particle_id: _Optional[str] = ..., reward: _Optional[float] = ...) -> None: ...

class BinaryAnswer(_message.Message):
    __slots__ = ("particle_id", "liked")
    PARTICLE_ID_FIELD_NUMBER: _ClassVar[int]
    LIKED_FIELD_NUMBER: _ClassVar[int]
    particle_id: str
    liked: bool
    def __init__(self, particle_id: _Optional[str] = ..., liked: _Optional[bool] = ...) -> None: ...

class PairwiseAnswer(_message.Message):
    __slots__ = ("preferred_particle_id", "other_particle_id")
    PREFERRED_PARTICLE_ID_FIELD_NUMBER: _ClassVar[int]
    OTHER_PARTICLE_ID_FIELD_NUMBER: _ClassVar[int]
    preferred_particle_id: str
    other_particle_id: str
    def __init__(self, preferred_particle_id: _Optional[str] = ..., other_particle_id: _Optional[str] = ...) -> None: ...

class RankingAnswer(_message.Message):
    __slots__ = ("particle_ids",)
    PARTICLE_IDS_FIELD_NUMBER: _ClassVar[int]
    particle_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, particle_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class FeedbackResult(_message.Message):
    __slots__ = ("feedback_id", "sequence", "duplicate", "spent", "remaining", "error")
    FEEDBACK_ID_FIELD_NUMBER: _ClassVar[int]
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    DUPLICATE_FIELD_NUMBER: _ClassVar[int]
    SPENT_FIELD_NUMBER: _ClassVar[int]
    REMAINING_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    feedback_id: str
    sequence: int
    duplicate: bool
    spent: int
    remaining: int
    error: _status_pb2.Status
    def __init__(self, feedback_id: _Optional[str] = ..., sequence: _Optional[int] = ..., duplicate: _Optional[bool] = ..., spent: _Optional[int] = ..., remaining: _Optional[int] = ..., error: _Optional[_Union[_status_pb2.Status, _Mapping]] = ...) -> None: ...

class RecordFeedbackRequest(_message.Message):
    __slots__ = ("events",)
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    events: _containers.RepeatedCompositeFieldContainer[FeedbackEvent]
    def __init__(self, events: _Optional[_Iterable[_Union[FeedbackEvent, _Mapping]]] = ...) -> None: ...

class RecordFeedbackResponse(_message.Message):
    __slots__ = ("results",)
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    results: _containers.RepeatedCompositeFieldContainer[FeedbackResult]
    def __init__(self, results: _Optional[_Iterable[_Union[FeedbackResult, _Mapping]]] = ...) -> None: ...

class ListSurrogatesRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class ListSurrogatesResponse(_message.Message):
    __slots__ = ("surrogates",)
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    surrogates: _containers.RepeatedCompositeFieldContainer[_common_pb2.SurrogateVersion]
    def __init__(self, surrogates: _Optional[_Iterable[_Union[_common_pb2.SurrogateVersion, _Mapping]]] = ...) -> None: ...

class RollbackSurrogateRequest(_message.Message):
    __slots__ = ("session_id", "version")
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    version: str
    def __init__(self, session_id: _Optional[str] = ..., version: _Optional[str] = ...) -> None: ...

class RollbackSurrogateResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ...) -> None: ...

class ReleaseSurrogateRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class ReleaseSurrogateResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ...) -> None: ...

class CloseSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class CloseSessionResponse(_message.Message):
    __slots__ = ("session",)
    SESSION_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ...) -> None: ...

class ExportSessionRequest(_message.Message):
    __slots__ = ("session_id",)
    SESSION_ID_FIELD_NUMBER: _ClassVar[int]
    session_id: str
    def __init__(self, session_id: _Optional[str] = ...) -> None: ...

class ExportSessionResponse(_message.Message):
    __slots__ = ("session", "slate", "feedback", "surrogate")
    SESSION_FIELD_NUMBER: _ClassVar[int]
    SLATE_FIELD_NUMBER: _ClassVar[int]
    FEEDBACK_FIELD_NUMBER: _ClassVar[int]
    SURROGATE_FIELD_NUMBER: _ClassVar[int]
    session: _common_pb2.Session
    slate: _common_pb2.Slate
    feedback: RecordedFeedback
    surrogate: _common_pb2.SurrogateVersion
    def __init__(self, session: _Optional[_Union[_common_pb2.Session, _Mapping]] = ..., slate: _Optional[_Union[_common_pb2.Slate, _Mapping]] = ..., feedback: _Optional[_Union[RecordedFeedback, _Mapping]] = ..., surrogate: _Optional[_Union[_common_pb2.SurrogateVersion, _Mapping]] = ...) -> None: ...

class RecordedFeedback(_message.Message):
    __slots__ = ("sequence", "event", "recorded_at", "defaulted")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    EVENT_FIELD_NUMBER: _ClassVar[int]
    RECORDED_AT_FIELD_NUMBER: _ClassVar[int]
    DEFAULTED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    event: FeedbackEvent
    recorded_at: _timestamp_pb2.Timestamp
    defaulted: bool
    def __init__(self, sequence: _Optional[int] = ..., event: _Optional[_Union[FeedbackEvent, _Mapping]] = ..., recorded_at: _Optional[_Union[datetime.datetime, _timestamp_pb2.Timestamp, _Mapping]] = ..., defaulted: _Optional[bool] = ...) -> None: ...

class DeleteUserRequest(_message.Message):
    __slots__ = ("tenant", "user_id")
    TENANT_FIELD_NUMBER: _ClassVar[int]
    USER_ID_FIELD_NUMBER: _ClassVar[int]
    tenant: str
    user_id: str
    def __init__(self, tenant: _Optional[str] = ..., user_id: _Optional[str] = ...) -> None: ...

class DeleteUserResponse(_message.Message):
    __slots__ = ("sessions", "events", "slates", "particles", "surrogates", "cohort_shares")
    SESSIONS_FIELD_NUMBER: _ClassVar[int]
    EVENTS_FIELD_NUMBER: _ClassVar[int]
    SLATES_FIELD_NUMBER: _ClassVar[int]
    PARTICLES_FIELD_NUMBER: _ClassVar[int]
    SURROGATES_FIELD_NUMBER: _ClassVar[int]
    COHORT_SHARES_FIELD_NUMBER: _ClassVar[int]
    sessions: int
    events: int
    slates: int
    particles: int
    surrogates: int
    cohort_shares: int
    def __init__(self, sessions: _Optional[int] = ..., events: _Optional[int] = ..., slates: _Optional[int] = ..., particles: _Optional[int] = ..., surrogates: _Optional[int] = ..., cohort_shares: _Optional[int] = ...) -> None: ...
