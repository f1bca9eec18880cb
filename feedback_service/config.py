"""Settings of the feedback service, from APA_FEEDBACK_* and REDIS_URL."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from apa.config import ServerSettings
from apa.records.session import MAX_PARTICLES


class FeedbackSettings(ServerSettings):
    """Everything that an operator may set; the defaults are for one small machine."""

    model_config = SettingsConfigDict(env_prefix="APA_FEEDBACK_")

    broker_url: str = ""
    """The Celery broker; empty for the data Redis."""
    prior_folders: tuple[Path, ...] = ()
    """Directories of prior folders, beside the shipped ones; the same as the sampler's."""
    store_threads: int = Field(default=16, ge=1, le=256)
    """Calls to the store that may be under way at once; further ones wait for one of these."""
    store_timeout_s: float = Field(default=5.0, gt=0.0, le=60.0)
    """How long one command may take before Redis counts as away."""
    max_events_per_call: int = Field(default=1000, ge=1, le=100_000)
    """Answers in one RecordFeedback."""
    max_particles: int = Field(default=MAX_PARTICLES, ge=1, le=MAX_PARTICLES)
    """N of a session, at most; the same as the sampler's."""
    max_budget: int = Field(default=1_000_000, ge=1, le=1_000_000)
    """B of a session, at most."""
