"""`apa session`: create, show, list, close, and which version of its surrogate steers."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import typer

from apa.cli.addresses import Feedback, connect
from apa.cli.budget import answers, free
from apa.cli.export import export
from apa.cli.output import Json, print_json, print_pairs, print_table, session_json
from apa.cli.ranges import between, default
from apa.client import SessionView
from apa.records.session import (
    MAX_WAIT_S,
    MIN_WAIT_S,
    USUAL_POLICY,
    AggregationName,
    FeedbackKindName,
    PolicyName,
    RefitOnName,
    Session,
    SessionConfig,
    SurrogateFamily,
    SurrogateVersion,
)

app = typer.Typer(no_args_is_help=True, help="Sessions: create, show, list, close, roll back, export.")


@app.command()
def create(
    prior: Annotated[str, typer.Argument(help="Name of the prior, e.g. fashion.")],
    budget: Annotated[
        int,
        typer.Option(help=f"B, answers that the user can be asked for, {between(SessionConfig, 'budget')}."),
    ],
    per_round: Annotated[
        int | None,
        typer.Option(
            help=f"k, particles shown at a time, {between(SessionConfig, 'particles_per_round')}, at most N. "
            f"{default(SessionConfig, 'particles_per_round')}"
        ),
    ] = None,
    num_particles: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--num-particles",
            help=f"N of a run, {between(SessionConfig, 'num_particles')}. "
            f"{default(SessionConfig, 'num_particles')}",
        ),
    ] = None,
    user: Annotated[str | None, typer.Option(help=f"Id of the user. {default(Session, 'user_id')}")] = None,
    tenant: Annotated[
        str | None, typer.Option(help=f"Id of the tenant. {default(Session, 'tenant')}")
    ] = None,
    surrogate: Annotated[
        SurrogateFamily | None,
        typer.Option(help=f"What learns the user's rewards. {default(SessionConfig, 'surrogate')}"),
    ] = None,
    policy: Annotated[
        PolicyName | None,
        typer.Option(
            help="How the shown particles are chosen, see docs/policies.md. Default: "
            + ", ".join(f"{policy} for {family}" for family, policy in USUAL_POLICY.items())
            + "."
        ),
    ] = None,
    feedback_kind: Annotated[
        FeedbackKindName | None,
        typer.Option(help=f"What is answered. {default(SessionConfig, 'feedback_kind')}"),
    ] = None,
    rater: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Name of one who answers; may be repeated. Default: the user alone."
        ),
    ] = None,
    aggregation: Annotated[
        AggregationName | None,
        typer.Option(
            help="What is learnt of several raters' rewards or likes of one item. "
            f"{default(SessionConfig, 'aggregation')}"
        ),
    ] = None,
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            help=f"How long a slate waits for its answers, from {MIN_WAIT_S:g} to {MAX_WAIT_S:,.0f}. "
            "Default: the sampler's limit.",
        ),
    ] = None,
    default_reward: Annotated[
        float | None,
        typer.Option(
            help="What an answer that has not come by then is taken to be, "
            f"{between(SessionConfig, 'default_reward')}; of likes 0 or 1. Default: nothing."
        ),
    ] = None,
    refit_on: Annotated[
        RefitOnName | None,
        typer.Option(
            help=f"Which answers a refit learns from; round: cnn only. {default(SessionConfig, 'refit_on')}"
        ),
    ] = None,
    cohort: Annotated[
        str | None,
        typer.Option(help="Users whose taste it begins from, and whom it teaches; gp only. Default: nobody."),
    ] = None,
    session_id: Annotated[str | None, typer.Option(help="Default: drawn.")] = None,
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Begin one user's session, and print its id."""
    with connect(feedback=feedback) as apa:
        view = apa.create_session(
            prior,
            budget,
            user_id=user,
            tenant=tenant,
            particles_per_round=per_round,
            num_particles=num_particles,
            surrogate=surrogate,
            policy=policy,
            feedback_kind=feedback_kind,
            raters=rater or None,
            aggregation=aggregation,
            answer_wait_s=wait,
            default_reward=default_reward,
            refit_on=refit_on,
            cohort=cohort,
            session_id=session_id,
        )
    print_json(session_json(view)) if as_json else print(view.session_id)


@app.command()
def show(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Show a session: its settings, its budget, its surrogate."""
    with connect(feedback=feedback) as apa:
        view = apa.get_session(session)
    _shown(view, as_json)


@app.command("list")
def list_(
    user: Annotated[str | None, typer.Option(help="Only of this user. Default: of all.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Only of this tenant. Default: of all.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, from 1.")] = 100,
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """List sessions."""
    with connect(feedback=feedback) as apa:
        views = apa.list_sessions(tenant=tenant, user_id=user, limit=limit)
    if as_json:
        print_json([session_json(view) for view in views])
        return
    numbers = ["budget", "recorded", "reserved", "left to ask"]
    print_table(["session", "user", "prior", *numbers], [_row(view) for view in views], right=numbers)


@app.command()
def close(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """End a session: no more slates, no more answers. Harmless when repeated."""
    with connect(feedback=feedback) as apa:
        _shown(apa.close_session(session), as_json)


app.command()(export)


@app.command()
def rollback(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    version: Annotated[str, typer.Argument(help="A kept version; a wrong one names those that are kept.")],
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Let an earlier version of the surrogate steer, whatever is learnt meanwhile, until `release`."""
    with connect(feedback=feedback) as apa:
        _shown(apa.rollback_surrogate(session, version), as_json)


@app.command()
def release(
    session: Annotated[str, typer.Argument(help="Id of the session.")],
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """End a rollback: the newest version of the surrogate steers again."""
    with connect(feedback=feedback) as apa:
        _shown(apa.release_surrogate(session), as_json)


def _shown(view: SessionView, as_json: bool) -> None:
    print_json(session_json(view)) if as_json else print_pairs(_pairs(view))


def _row(view: SessionView) -> tuple[object, ...]:
    totals = (view.config.budget, view.spent, view.ledger.reserved, free(view))
    return view.session_id, view.session.user_id, view.config.prior, *totals


def _pairs(view: SessionView) -> dict[str, object]:
    config, surrogate = view.config, view.surrogate
    trained = (
        f"{surrogate.version}, trained on {surrogate.trained_events} answers" if surrogate else "none yet"
    )
    return {
        "session": view.session_id,
        "user": view.session.user_id,
        "tenant": view.session.tenant,
        "created": _utc(view.session.created_at),
        "prior": config.prior,
        "shown": f"{config.particles_per_round} of {config.num_particles} particles a round",
        "policy": f"{config.policy} on a {config.surrogate} surrogate",
        "asked": _asked(config),
        "answers": answers(view),
        "rounds": view.ledger.round_index,
        "surrogate": trained,
        **_foreseen(surrogate),
        **({"steered by": f"{view.pinned_version}, until it is released"} if view.pinned_version else {}),
        **({"closed": _utc(view.ledger.closed_at)} if view.ledger.closed_at is not None else {}),
    }


def _foreseen(surrogate: SurrogateVersion | None) -> dict[str, object]:
    """How well the surrogate before had foreseen the answers since, where there were any."""
    quality = None if surrogate is None else surrogate.quality
    if quality is None or quality.num_answers == 0:
        return {}
    steering = f"; beta is multiplied by {quality.beta_factor:.2f}" if quality.beta_factor < 1.0 else ""
    return {
        "foreseen": f"{quality.coverage:.0%} of the last {quality.num_answers} answers within 90% intervals, "
        f"predicted {quality.gap:+.2f} ± {quality.gap_error:.2f} std too high{steering}"
    }


def _utc(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _asked(config: SessionConfig) -> str:
    """What is asked, of whom, and what becomes of a question that nobody answers, in one line."""
    parts = [f"{config.feedback_kind} answers"]
    if config.raters:
        parts.append(f"of {', '.join(config.raters)} ({config.aggregation})")
    if config.answer_wait_s is not None:
        parts.append(f"within {config.answer_wait_s:g} s")
    if config.default_reward is not None:
        parts.append(f"else {config.default_reward:g}")
    return " ".join(parts)
