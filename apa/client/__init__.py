"""What a recommender backend imports: `Client`, or `AsyncClient` with the same methods.

Everything it returns is plain data with numpy arrays; everything it raises is one of `apa.errors`.
"""

from apa.client.asynchronous import AsyncClient
from apa.client.bandit import bandit_feedback
from apa.client.blocking import Client
from apa.client.results import Particles, SampleResult
from apa.records.catalogue import CatalogueChange, CatalogueEntry
from apa.records.erased import Erased
from apa.records.explanation import explain
from apa.records.feedback import (
    Acknowledgement,
    BinaryAnswer,
    Feedback,
    PairwiseAnswer,
    RankingAnswer,
    ScalarAnswer,
)
from apa.records.history import HistoryRecord, PastItem, PastSlate, RecordedFeedback
from apa.records.run_events import (
    Certificate,
    Finished,
    ParticleChunk,
    Preview,
    Progress,
    RunEvent,
    Started,
)
from apa.records.sampling import SamplingOverrides
from apa.records.scores import Scores
from apa.records.session import SurrogateVersion
from apa.records.shown import CatalogueItem, SessionView, ShownItem, ShownSlate
from apa.wire.feedback import FeedbackResult
from apa.wire.prior_cards import LoadedPrior

__all__ = [
    "Acknowledgement",
    "AsyncClient",
    "BinaryAnswer",
    "CatalogueChange",
    "CatalogueEntry",
    "CatalogueItem",
    "Certificate",
    "Client",
    "Erased",
    "Feedback",
    "FeedbackResult",
    "Finished",
    "HistoryRecord",
    "LoadedPrior",
    "PairwiseAnswer",
    "ParticleChunk",
    "Particles",
    "PastItem",
    "PastSlate",
    "Preview",
    "Progress",
    "RankingAnswer",
    "RecordedFeedback",
    "RunEvent",
    "SampleResult",
    "SamplingOverrides",
    "ScalarAnswer",
    "Scores",
    "SessionView",
    "ShownItem",
    "ShownSlate",
    "Started",
    "SurrogateVersion",
    "bandit_feedback",
    "explain",
]
