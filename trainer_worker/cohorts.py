"""What sessions of a cohort begin from, and what each gives back to it."""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence

from apa.errors import DataLoss
from apa.records.session import Session
from apa.store.cohorts import CohortName, Membership
from trainer_worker.fit import WarmStart
from trainer_worker.fit.cohort import Share, learn_cohort
from trainer_worker.fit.encode import Encode
from trainer_worker.fit.functions import BANDWIDTH, NUM_CENTRES, Functions
from trainer_worker.fit.gp import places
from trainer_worker.fit.warm import share_of
from trainer_worker.observations import Observations
from trainer_worker.shelf import Shelved

logger = logging.getLogger(__name__)

Shares = Mapping[str, bytes]
"""What each session has taught its cohort."""


class Cohorts:
    """The functions of each prior, made once; may be shared between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._functions: dict[str, Functions] = {}

    def functions(self, shelved: Shelved) -> Functions:
        prior, transport = shelved
        with self._lock:
            known = self._functions.get(prior.content_hash)
            if known is None:
                known = self._functions[prior.content_hash] = Functions.of_prior(prior, transport)
        return known

    def name(self, session: Session, shelved: Shelved) -> CohortName:
        """Its members have their heads on the same functions, of the same kind of answers."""
        functions = self.functions(shelved)
        alike = (
            shelved.prior.content_hash,
            session.config.feedback_kind,
            functions.coordinates.key,
            functions.centres.shape,
            NUM_CENTRES,
            BANDWIDTH,
        )
        digest = hashlib.sha256(repr(alike).encode()).hexdigest()[:16]
        return CohortName(session.tenant, session.config.cohort, digest)

    def starts(
        self, sessions: Sequence[Session], shelved: Shelved, shares_of: Callable[[CohortName], Shares]
    ) -> dict[str, WarmStart | None]:
        """What each session begins from, by its id; what a batch has in common is read and learnt once.

        Args:
            shares_of: what members have taught, by their sessions.
        """
        names = {session.session_id: self.name(session, shelved) for session in sessions}
        shares = {name: shares_of(name) for name in set(names.values())}
        learnt: dict[tuple[CohortName, str | None], WarmStart | None] = {}
        found = {}
        for session in sessions:
            name = names[session.session_id]
            member = session.session_id if session.session_id in shares[name] else None
            if (name, member) not in learnt:
                learnt[name, member] = self._start(session, shelved, shares[name])
            found[session.session_id] = learnt[name, member]
        return found

    def _start(self, session: Session, shelved: Shelved, shares: Shares) -> WarmStart | None:
        """What the session begins from: what all others taught. None where nobody has yet.

        A share that is damaged is left out, and logged.
        """
        functions = self.functions(shelved)
        others = []
        for session_id, blob in shares.items():
            # Its own answers are learnt from as answers.
            if session_id == session.session_id:
                continue
            try:
                others.append(Share.of_bytes(blob, len(functions)))
            except DataLoss as error:
                logger.warning("the share of session %s is left out: %s", session_id, error)
        return WarmStart(functions, learn_cohort(others, len(functions))) if others else None

    def nobody(self, shelved: Shelved) -> WarmStart:
        """The process itself: what replaces a start on another version of the prior, until others teach."""
        functions = self.functions(shelved)
        return WarmStart(functions, learn_cohort([], len(functions)))

    def membership(
        self, session: Session, shelved: Shelved, observations: Observations, seed: int, encode: Encode
    ) -> Membership:
        """What the session's answers teach the cohort.

        Raises:
            NumericalError: the mode of the answers' likelihood was not found.
        """
        functions = self.functions(shelved)
        z = places(shelved.prior, functions.coordinates, observations.x, seed, encode)
        return Membership(self.name(session, shelved), share_of(functions, observations, z).to_bytes())
