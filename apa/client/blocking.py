"""The client for ordinary code; threads may share one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

import grpc
from numpy.typing import ArrayLike

from apa.client import requests
from apa.client.answers import Answers, Supersedes
from apa.client.arguments import whole_number
from apa.client.requests import Sampling
from apa.client.results import EventReader, SampleResult, collect, raise_failed, raise_refused, refit_late
from apa.client.retries import Retries, refit_poll_s
from apa.pb import feedback_pb2_grpc, sampler_pb2, sampler_pb2_grpc
from apa.records.catalogue import CatalogueChange, CatalogueEntry
from apa.records.erased import Erased
from apa.records.history import HistoryRecord
from apa.records.run_events import RunEvent
from apa.records.scores import Scores
from apa.records.session import SurrogateVersion
from apa.records.shown import SessionView
from apa.rpc.call_errors import from_rpc_error
from apa.rpc.options import MAX_MESSAGE_BYTES, client_options
from apa.wire.catalogue import change_from_pb
from apa.wire.erased import erased_from_pb
from apa.wire.feedback import FeedbackResult, result_from_pb
from apa.wire.history import history_from_pb
from apa.wire.prior_cards import LoadedPrior, prior_from_pb
from apa.wire.scores import scores_from_pb
from apa.wire.sessions import session_from_pb, surrogate_from_pb

T = TypeVar("T")


class Client:
    """Talks to a sampler and a feedback service.

        with Client(sampler="127.0.0.1:50051", feedback="127.0.0.1:50052") as apa:
            session = apa.create_session(prior="fashion", budget=80)
            slate = apa.sample(session.session_id).slate
            apa.record_feedback(session.session_id, {item.particle_id: 1.0 for item in slate.items})

    Connects at the first call. Every call is safe to repeat, and repeats itself while a server is away.

    Args:
        sampler, feedback: "host:port".
        timeout_s: of each call, unless the call says otherwise.
        retry_for_s: how long a call is repeated while a server is away; 0 never repeats.

    Raises, from every method:
        InvalidArgument: a value is wrong; the error names the field, what was expected and what was found.
        Unavailable: a server is away, or a part that it needs.
        DeadlineExceeded: `timeout_s` passed.
        ApaError: any other of `apa.errors`, as the methods say.
    """

    def __init__(
        self,
        sampler: str,
        feedback: str,
        *,
        timeout_s: float = 60.0,
        retry_for_s: float = 10.0,
        max_message_bytes: int = MAX_MESSAGE_BYTES,
    ) -> None:
        options = client_options(max_message_bytes)
        self._channels = [grpc.insecure_channel(address, options) for address in (sampler, feedback)]
        self._sampler: Any = sampler_pb2_grpc.SamplerServiceStub(  # type: ignore[no-untyped-call]
            self._channels[0]
        )
        self._feedback: Any = feedback_pb2_grpc.FeedbackServiceStub(  # type: ignore[no-untyped-call]
            self._channels[1]
        )
        self._timeout_s = timeout_s
        self._max_message_bytes = max_message_bytes
        self._retries = Retries(retry_for_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; running calls are cancelled."""
        for channel in self._channels:
            channel.close()

    def create_session(
        self,
        prior: str,
        budget: int,
        *,
        user_id: str | None = None,
        tenant: str | None = None,
        particles_per_round: int | None = None,
        num_particles: int | None = None,
        surrogate: str | None = None,
        policy: str | None = None,
        feedback_kind: str | None = None,
        raters: Sequence[str] | None = None,
        aggregation: str | None = None,
        answer_wait_s: float | None = None,
        default_reward: float | None = None,
        refit_on: str | None = None,
        cohort: str | None = None,
        sampling: Sampling = None,
        session_id: str | None = None,
        timeout_s: float | None = None,
    ) -> SessionView:
        """Begins one user's alignment to one prior.

        Args:
            prior: its name, e.g. "fashion"; `list_priors` gives those that there are.
            budget: B, answers that the user can be asked for.
            particles_per_round: k, shown at a time, at most `num_particles`; 8 when None.
            num_particles: N of a run; 32 when None.
            surrogate: "gp" (when None), "linear", "mlp" or "cnn".
            policy: "ucb", "thompson" or "epsilon_greedy", each also with "batch_" before it, or
                "gumbel_top_k"; the surrogate's usual one when None.
            feedback_kind: what is answered: "scalar" rewards (when None), "binary" likes, "pairwise"
                preferences, or a "ranking".
            raters: names of those who answer, each for itself; the user alone when None.
            aggregation: what is learnt of several raters' rewards or likes of one item: their "mean" (when
                None), "max" or "least_misery".
            answer_wait_s: how long a slate waits for its answers; the service's own limit when None.
            default_reward: what an answer that has not come by then is taken to be; 0 or 1 of likes.
            refit_on: "all" answers (when None), or those of the "round": "cnn" only, whose network goes on.
            cohort: users whose taste it begins from, and whom it teaches; nobody when None. "gp" only.
            sampling: how its runs are steered unless a call says otherwise.
            session_id: drawn when None; the same id with the same arguments gives the same session.

        Raises:
            NotFound: no such prior.
            AlreadyExists: the id is taken by a session with other arguments.
        """
        request = requests.create_session(
            prior,
            budget,
            user_id=user_id,
            tenant=tenant,
            particles_per_round=particles_per_round,
            num_particles=num_particles,
            surrogate=surrogate,
            policy=policy,
            feedback_kind=feedback_kind,
            raters=raters,
            aggregation=aggregation,
            answer_wait_s=answer_wait_s,
            default_reward=default_reward,
            refit_on=refit_on,
            cohort=cohort,
            sampling=sampling,
            session_id=session_id,
        )
        response = self._call(self._feedback.CreateSession, request, timeout_s)
        return session_from_pb(response.session)

    def get_session(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """A session with its running totals. Raises NotFound."""
        request = requests.get_session(session_id)
        response = self._call(self._feedback.GetSession, request, timeout_s)
        return session_from_pb(response.session)

    def list_sessions(
        self,
        *,
        tenant: str | None = None,
        user_id: str | None = None,
        limit: int = 100,
        timeout_s: float | None = None,
    ) -> list[SessionView]:
        """At most `limit` sessions; of all tenants and users, or of the given ones."""
        whole_number(limit, field="limit", least=0)
        found: list[SessionView] = []
        token = ""
        while len(found) < limit:
            request = requests.list_sessions(tenant, user_id, limit - len(found), token)
            page = self._call(self._feedback.ListSessions, request, timeout_s)
            found += [session_from_pb(session) for session in page.sessions]
            token = page.next_page_token
            if not token:
                break
        return found[:limit]

    def sample(
        self,
        session_id: str | None = None,
        *,
        prior: str | None = None,
        num_particles: int | None = None,
        sampling: Sampling = None,
        request_id: str | None = None,
        include_particles: bool | None = None,
        exclude_item_ids: Sequence[str] | None = None,
        only_item_ids: Sequence[str] | None = None,
        tenant: str | None = None,
        timeout_s: float | None = None,
    ) -> SampleResult:
        """One run: the next slate of a session, or unsteered particles of a prior.

        Args:
            session_id: steer for this session, and show it a slate.
            prior: instead of a session.
            num_particles: N; the session's, or the service's default, when None.
            sampling: what of the session's sampling to replace, e.g. {"beta": 4.0, "seed": 1}.
            request_id: drawn when None; the same id again gives the same slate, also after a lost connection.
            include_particles: whether the whole population comes along; when None, only without a session.
            exclude_item_ids: items of the catalogue that the slate does not show; at most 10,000.
            only_item_ids: the only ones that it may show; at most 10,000. Where fewer are left than k, it is
                shorter, or empty.
            tenant: without a session, whose share the run counts against.

        Raises:
            NotFound: no such session or prior.
            ResourceExhausted: too many runs wait; `retry_after_s` says when to come back.
            NumericalError: a number became non-finite; a smaller `beta` or more steps may help.
        """
        request = requests.sample(
            session_id,
            prior=prior,
            num_particles=num_particles,
            sampling=sampling,
            request_id=request_id,
            include_particles=include_particles,
            progress_every=0,
            preview_particles=0,
            exclude_item_ids=exclude_item_ids,
            only_item_ids=only_item_ids,
            tenant=tenant,
        )
        return self._retried(lambda left_s: collect(self._events(request, left_s)), timeout_s)

    def sample_stream(
        self,
        session_id: str | None = None,
        *,
        prior: str | None = None,
        num_particles: int | None = None,
        sampling: Sampling = None,
        request_id: str | None = None,
        include_particles: bool | None = None,
        progress_every: int = 10,
        preview_particles: int = 0,
        exclude_item_ids: Sequence[str] | None = None,
        only_item_ids: Sequence[str] | None = None,
        tenant: str | None = None,
        timeout_s: float | None = None,
    ) -> Iterator[RunEvent]:
        """The events of a run as they happen: Started, Progress, ParticleChunk, ShownSlate, Finished.

        To stop reading ends the run. It is not repeated when a server goes away; the same `request_id` does.

        Args:
            progress_every: steps between two Progress events; 0 for none.
            preview_particles: how many of the heaviest particles each of these previews, as what the prior
                expects them to become; at most N, and only with `progress_every`. 0 for none.

        Others, and what is raised: as for `sample`.
        """
        request = requests.sample(
            session_id,
            prior=prior,
            num_particles=num_particles,
            sampling=sampling,
            request_id=request_id,
            include_particles=include_particles,
            progress_every=progress_every,
            preview_particles=preview_particles,
            exclude_item_ids=exclude_item_ids,
            only_item_ids=only_item_ids,
            tenant=tenant,
        )
        return self._stream(request, timeout_s)

    def record_feedback(
        self,
        session_id: str,
        answers: Answers,
        *,
        rater: str | None = None,
        supersedes: Supersedes = None,
        check: bool = True,
        timeout_s: float | None = None,
    ) -> list[FeedbackResult]:
        """Records what the user answered: durable once this returns.

        Args:
            answers: by particle id, rewards from -1e6 to 1e6, or True and False where the session asks what
                is liked; or a list of `PairwiseAnswer`, `RankingAnswer` and so on; or of `Feedback` with ids
                of the caller's own. An answer takes the place of a default reward by itself.
            rater: who of the session's raters answers.
            supersedes: to correct, the feedback ids of the answers that these replace, in order, at no cost.
            check: raise when an answer was refused, after the others were recorded; else read `error` of
                each result.

        Returns:
            One result for each answer, in order.

        Raises:
            NotFound: no such session, or a particle unknown or expired.
            InvalidArgument: the session takes another kind of answers, or has no such rater.
            FailedPrecondition: the budget is spent.
            AlreadyExists: there is another answer about the same, which only a correction replaces.
        """
        request = requests.record_feedback(session_id, answers, rater, supersedes)
        response = self._call(self._feedback.RecordFeedback, request, timeout_s)
        results = [result_from_pb(result) for result in response.results]
        if check:
            raise_refused(results)
        return results

    def wait_for_refit(self, session_id: str, timeout_s: float = 30.0) -> SessionView:
        """The session once its surrogate has seen every answer recorded so far.

        Raises:
            FailedPrecondition: the refit failed on these answers, at once; the message says why. It is tried
                again by itself, so that a later wait may succeed.
            Internal: it failed by a bug of the trainer, whose log says which.
            DeadlineExceeded: not within `timeout_s`; the trainer may be down or busy.
            NotFound: no such session.
        """
        deadline = time.monotonic() + timeout_s
        for attempt in count():
            view = self.get_session(session_id)
            if view.is_fitted:
                break
            raise_failed(view)
            if time.monotonic() >= deadline:
                raise refit_late(view, timeout_s)
            time.sleep(refit_poll_s(attempt))
        return view

    def list_priors(self, *, timeout_s: float | None = None) -> list[LoadedPrior]:
        """The priors that the sampler serves."""
        response = self._call(self._sampler.ListPriors, sampler_pb2.ListPriorsRequest(), timeout_s)
        return [prior_from_pb(card) for card in response.priors]

    def score(
        self,
        session_id: str,
        item_ids: Sequence[str] | None = None,
        *,
        x: ArrayLike | None = None,
        timeout_s: float | None = None,
    ) -> Scores:
        """What the session's surrogate expects of candidates, as it is now. Shows and reserves nothing.

        Args:
            item_ids: items of the catalogue of the session's prior, in stock or not; at most 4,096.
            x: (M, *data_shape), instead: candidates of any prior.

        Returns:
            Mean and standard deviation of the reward of each, in their order and in the user's units.

        Raises:
            NotFound: no such session; the catalogue has no such item, and the error names it.
            FailedPrecondition: nothing is learnt yet; or a rollback holds a surrogate of the prior's last
                version.
        """
        request = requests.score(session_id, item_ids, x)
        return scores_from_pb(self._call(self._sampler.Score, request, timeout_s))

    def upsert_items(
        self, prior: str, items: Sequence[CatalogueEntry], *, timeout_s: float | None = None
    ) -> CatalogueChange:
        """Adds items to a catalogue, or replaces those of the same id.

        Every sampler shows them within about a second. They are sent in requests of up to 1,000, fewer where
        a message does not hold so many, each kept whole or not at all: where one is refused, those before it
        are kept. Harmless when repeated.

        Args:
            prior: whose catalogue; the prior itself stays as it is.
            items: with different ids; vectors of the prior's length.

        Raises:
            NotFound: no such prior.
            InvalidArgument: it has no catalogue, or an item is not valid; the error names the field.
        """
        change = CatalogueChange(0, 0)
        for request in requests.upsert_items(prior, items, self._max_message_bytes):
            change += change_from_pb(self._call(self._sampler.UpsertItems, request, timeout_s))
        return change

    def delete_items(
        self, prior: str, item_ids: Sequence[str], *, timeout_s: float | None = None
    ) -> CatalogueChange:
        """Takes items out of a catalogue; what was shown of them can be answered as before.

        Harmless when repeated.

        Args:
            item_ids: different ones; those that the catalogue does not have are left out.

        Raises:
            NotFound: no such prior.
            InvalidArgument: it has no catalogue.
        """
        change = CatalogueChange(0, 0)
        for request in requests.delete_items(prior, item_ids):
            change += change_from_pb(self._call(self._sampler.DeleteItems, request, timeout_s))
        return change

    def list_surrogates(self, session_id: str, *, timeout_s: float | None = None) -> list[SurrogateVersion]:
        """The versions kept of a session's surrogate, newest first. Raises NotFound."""
        request = requests.list_surrogates(session_id)
        response = self._call(self._feedback.ListSurrogates, request, timeout_s)
        return [surrogate_from_pb(version) for version in response.surrogates]

    def rollback_surrogate(
        self, session_id: str, version: str, *, timeout_s: float | None = None
    ) -> SessionView:
        """Lets a kept version steer, whatever is published after it, until it is released.

        Answers go on being learnt from: `is_fitted` speaks of the newest version, not of the one that steers.

        Args:
            version: one of `list_surrogates`; it is kept for as long as it steers.

        Raises:
            NotFound: no such session; no such version, and the error names those that are kept.
        """
        request = requests.rollback_surrogate(session_id, version)
        response = self._call(self._feedback.RollbackSurrogate, request, timeout_s)
        return session_from_pb(response.session)

    def release_surrogate(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """Ends a rollback: the newest version steers again. Raises NotFound."""
        request = requests.release_surrogate(session_id)
        response = self._call(self._feedback.ReleaseSurrogate, request, timeout_s)
        return session_from_pb(response.session)

    def close_session(self, session_id: str, *, timeout_s: float | None = None) -> SessionView:
        """Ends a session: no more slates, no more answers. What it has learnt stays. Raises NotFound."""
        request = requests.close_session(session_id)
        response = self._call(self._feedback.CloseSession, request, timeout_s)
        return session_from_pb(response.session)

    def export_session(self, session_id: str, *, timeout_s: float | None = None) -> Iterator[HistoryRecord]:
        """All that is kept of a session: itself, its slates, its answers, its surrogates, newest first.

        Read as it comes, nothing has to fit in memory but one slate. Answers that are recorded meanwhile are
        not in it. It is not repeated when a server goes away.

        Args:
            timeout_s: of all of it.

        Raises, while it is read:
            NotFound: no such session, or it was deleted meanwhile.
        """
        return self._exported(requests.export_session(session_id), timeout_s)

    def _exported(self, request: Any, timeout_s: float | None) -> Iterator[HistoryRecord]:
        call = self._feedback.ExportSession(
            request, timeout=self._timeout_s if timeout_s is None else timeout_s
        )
        try:
            for response in call:
                yield history_from_pb(response)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error
        finally:
            call.cancel()

    def delete_user(
        self, user_id: str, *, tenant: str | None = None, timeout_s: float | None = None
    ) -> Erased:
        """Removes everything of a user, and says how much that was; of an unknown user nothing.

        A call that repeated itself after a lost connection counts what the first attempt had left.

        Raises:
            InvalidArgument: an empty `user_id`.
        """
        request = requests.delete_user(user_id, tenant)
        return erased_from_pb(self._call(self._feedback.DeleteUser, request, timeout_s))

    def _stream(self, request: Any, timeout_s: float | None) -> Iterator[RunEvent]:
        try:
            yield from self._events(request, self._timeout_s if timeout_s is None else timeout_s)
        except grpc.RpcError as error:
            raise from_rpc_error(error) from error

    def _events(self, request: Any, timeout_s: float) -> Iterator[RunEvent]:
        reader = EventReader()
        call = self._sampler.Sample(request, timeout=timeout_s)
        try:
            for response in call:
                yield reader.read(response)
        finally:
            call.cancel()

    def _call(self, method: Any, request: Any, timeout_s: float | None) -> Any:
        return self._retried(lambda left_s: method(request, timeout=left_s), timeout_s)

    def _retried(self, call: Callable[[float], T], timeout_s: float | None) -> T:
        """`call(seconds left)`, again while a server is away."""
        limit_s = self._timeout_s if timeout_s is None else timeout_s
        started = time.monotonic()
        attempt = 0
        while True:
            try:
                return call(max(0.0, limit_s - (time.monotonic() - started)))
            except grpc.RpcError as error:
                delay_s = self._retries.delay_s(error, attempt, time.monotonic() - started)
            time.sleep(delay_s)
            attempt += 1
