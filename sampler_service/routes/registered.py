"""Samplers by name: registered in the process, or by an installed package as an entry point."""

from __future__ import annotations

import re
from importlib import metadata
from typing import Any, cast, get_args

from apa.errors import AlreadyExists, ApaError, FailedPrecondition, InvalidArgument, NotFound
from apa.records.sampling import RouteOption
from sampler_service.routes.plugin import Sampler

GROUP = "apa.samplers"
"""Of entry points: `name = "package.module:sampler"`."""
_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_registered: dict[str, Sampler] = {}


def register(name: str, sampler: Sampler) -> None:
    """Makes a sampler known to this process; the same one again changes nothing.

    Raises:
        InvalidArgument: the name is no lower-case identifier, or a route's; or nothing to call is given.
        AlreadyExists: the name is another sampler's.
    """
    _check_name(name)
    _check_callable(name, sampler)
    if _registered.setdefault(name, sampler) is not sampler:
        raise AlreadyExists(
            "the name is another sampler's", field="sampler", expected="a name not yet taken", found=name
        )


def sampler_named(name: str) -> Sampler:
    """The sampler of that name; what the process registered comes before what is installed.

    Raises:
        InvalidArgument: the name is no lower-case identifier, or a route's; or what is installed is no
            sampler.
        NotFound: no such sampler; says which there are.
        FailedPrecondition: two packages have the name, or its module cannot be imported.
    """
    _check_name(name)
    if name in _registered:
        return _registered[name]
    found = metadata.entry_points(group=GROUP, name=name)
    if len(found) > 1:
        values = ", ".join(sorted(one.value for one in found))
        raise FailedPrecondition(
            f"two packages have a sampler {name}", field="sampler", expected="one", found=values
        )
    if not found:
        raise NotFound(
            "no such sampler",
            field="sampler",
            expected=" or ".join(names()) or "a registered one",
            found=name,
        )
    (entry_point,) = found
    return _loaded(entry_point)


def names() -> list[str]:
    """Of all samplers, registered and installed."""
    return sorted({*_registered, *(one.name for one in metadata.entry_points(group=GROUP))})


def sampler_at(place: str) -> Sampler:
    """The sampler at `package.module:name`, or else the one of that name.

    Raises:
        As `sampler_named` does.
    """
    if ":" not in place:
        return sampler_named(place)
    return _loaded(metadata.EntryPoint(place, place, GROUP))


def _loaded(entry_point: metadata.EntryPoint) -> Sampler:
    try:
        found = entry_point.load()
    except ApaError:
        raise
    except Exception as error:
        raise FailedPrecondition(
            f"the sampler {entry_point.name} cannot be imported",
            field="sampler",
            expected="package.module:name",
            found=f"{entry_point.value}: {type(error).__name__}: {error}"[:300],
        ) from error
    _check_callable(entry_point.name, found)
    return cast(Sampler, found)


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name in get_args(RouteOption):
        raise InvalidArgument(
            "a sampler cannot have this name",
            field="sampler",
            expected=f"a lower-case identifier other than {', '.join(get_args(RouteOption))}",
            found=name[:80],
        )


def _check_callable(name: str, sampler: Any) -> None:
    if not callable(sampler):
        raise InvalidArgument(
            f"the sampler {name} cannot be called",
            field="sampler",
            expected="(target, num_particles, generator) -> Population",
            found=type(sampler).__name__,
        )
