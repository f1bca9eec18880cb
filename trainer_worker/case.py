"""A session of a batch, and what it is refitted on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from apa.records.feedback import Event, Feedback
from apa.records.session import RefitQuality, Session, SurrogateVersion
from apa.store.due import Lease
from apa.surrogates import Surrogate, version_of
from trainer_worker import gate
from trainer_worker.dataset import particle_ids
from trainer_worker.observations import Observations


@dataclass(frozen=True)
class Case:
    """A session of the batch, the right to refit it, and what it is refitted on.

    Attributes:
        current: what is published; None before the first.
        rival: the surrogate of that; None where it is damaged or of another version of the prior.
        quality: how well it had foreseen the answers since; None where nothing is published.
    """

    session: Session
    lease: Lease
    events: Sequence[Event]
    current: SurrogateVersion | None
    rival: Surrogate | None = None
    quality: RefitQuality | None = None

    @property
    def session_id(self) -> str:
        return self.session.session_id

    @property
    def previous(self) -> Surrogate | None:
        """What goes on training; None where a network begins anew, on all answers."""
        return self.rival if self.session.config.refit_on == "round" else None

    @property
    def answers(self) -> list[Feedback]:
        """What is learnt from: all answers, or those that `previous` has not seen."""
        left_out = 0 if self.previous is None else self.num_trained
        return [event.feedback for event in self.events[left_out:]]

    @property
    def num_seen(self) -> int:
        """How many of `answers`, from the first on, the published surrogate has learnt from."""
        return self.num_trained if self.previous is None else 0

    @property
    def num_trained(self) -> int:
        """Events that the published surrogate has learnt from."""
        return 0 if self.current is None else self.current.trained_events

    @property
    def is_covered(self) -> bool:
        """Whether there is nothing to learn."""
        if self.begins:
            return False
        return self.num_trained == len(self.events) and (self.current is None or self.rival is not None)

    @property
    def begins(self) -> bool:
        """Whether nothing was answered or published yet, and a cohort may steer the first slate."""
        return bool(self.session.config.cohort) and not self.events and self.rival is None

    def rival_on(self, observations: Observations) -> gate.Rival | None:
        # What a cohort likes is in no user's own units.
        if self.rival is None or self.num_trained == 0:
            return None
        names = particle_ids(self.answers)
        new = {
            name for event in self.events[self.num_trained :] for name in event.feedback.answer.particle_ids
        }
        fresh = [any(names[row] in new for row in rows) for rows in observations.rows]
        return gate.Rival(self.rival, torch.tensor(fresh))

    def version(self, blob: bytes, now: float) -> SurrogateVersion:
        """What an artifact fitted on these events is published as; now: Unix seconds."""
        return SurrogateVersion(
            version=version_of(blob),
            family=self.session.config.surrogate,
            trained_events=len(self.events),
            published_at=now,
            newest_answer_at=max((event.recorded_at for event in self.events), default=0.0),
            quality=self.quality,
        )
