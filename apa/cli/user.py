"""`apa user`: delete."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from apa.cli.addresses import Feedback, connect
from apa.cli.output import Json, print_json, print_pairs
from apa.errors import InvalidArgument

app = typer.Typer(no_args_is_help=True, help="Users: delete.")


# The only command so far, and still `apa user delete`: without a callback it would be `apa user`.
@app.callback()
def _group() -> None: ...


@app.command()
def delete(
    user: Annotated[str, typer.Argument(metavar="TENANT/USER", help="Whom, e.g. default/ada.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do it: nothing brings it back.")] = False,
    feedback: Feedback = "",
    as_json: Json = False,
) -> None:
    """Remove everything of a user: sessions, answers, slates, particles, surrogates, shares of cohorts."""
    tenant, user_id = _parsed(user)
    if not yes:
        raise InvalidArgument(
            f"this removes everything of {user}, for good",
            field="--yes",
            expected="--yes, once you are sure",
            found="nothing was removed",
        )
    with connect(feedback=feedback) as apa:
        removed = asdict(apa.delete_user(user_id, tenant=tenant))
    if as_json:
        print_json(removed)
    else:
        print_pairs({name.replace("_", " "): count for name, count in removed.items()})


def _parsed(user: str) -> tuple[str, str]:
    # The first sign: a user's id may hold one, a tenant's does not.
    tenant, _, user_id = user.partition("/")
    if not tenant or not user_id:
        raise InvalidArgument(
            "not a user", field="TENANT/USER", expected="a tenant, /, the user's id", found=user
        )
    return tenant, user_id
