"""Settings of the trainer, from APA_TRAINER_* and REDIS_URL."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from apa.config import Settings


class TrainerSettings(Settings):
    """Everything that an operator may set; the defaults are for one small machine."""

    model_config = SettingsConfigDict(env_prefix="APA_TRAINER_")

    broker_url: str = ""
    """Redis or Sentinel of the Celery broker; "" for the data Redis."""
    prior_folders: tuple[Path, ...] = ()
    """Directories of prior folders, beside the shipped ones; an earlier one wins a name."""
    concurrency: int = Field(default=1, ge=1, le=64)
    """Refits at once, each in a thread of this process."""
    torch_threads: int = Field(default=1, ge=1, le=1024)
    """Threads of one tensor operation; the tensors of a refit are small."""
    batch_sessions: int = Field(default=64, ge=1, le=4096)
    """Sessions that are refitted together, where so many are due and their surrogates stack."""
    lease_s: float = Field(default=30.0, gt=0.0, le=3600.0)
    """How long a refit has its sessions to itself, and after how long a failed or lost one is tried again."""
    sweep_interval_s: float = Field(default=5.0, gt=0.0, le=3600.0)
    """How often the due set is looked at for what a lost message left behind."""
    visibility_timeout_s: float = Field(default=60.0, ge=1.0, le=86400.0)
    """After how long the broker gives a silent worker's message to another; longer than any refit."""
    feature_cache_bytes: int = Field(default=256 * 2**20, ge=0)
    """Features of observed items that are kept in memory: about 1 kB an item, 20 kB where the prior has no
    transport."""
