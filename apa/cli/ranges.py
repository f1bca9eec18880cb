"""Ranges and defaults for help texts, from where they are enforced."""

from __future__ import annotations

from pydantic import BaseModel

SAMPLER_DEFAULTS = {"num_particles": 32, "num_steps": 15, "beta": 9, "corrector": "twisted", "route": "auto"}
"""Of a sampler whose settings nobody changed. Its settings are not imported here; a test compares them."""
LARGEST_SEED = 2**63 - 1


def between(model: type[BaseModel], name: str) -> str:
    """What a field takes, e.g. "1 to 4,096"."""
    bounds: dict[str, float] = {}
    for limit in model.model_fields[name].metadata:
        bounds |= {key: getattr(limit, key) for key in ("ge", "le") if getattr(limit, key, None) is not None}
    return f"{_number(bounds['ge'])} to {_number(bounds['le'])}"


def default(model: type[BaseModel], name: str) -> str:
    return f"Default: {model.model_fields[name].default}."


def of_session_or_sampler(name: str) -> str:
    return f"Default: the session's, else the sampler's (usually {SAMPLER_DEFAULTS[name]})."


def _number(value: float) -> str:
    return "2^63 - 1" if value == LARGEST_SEED else f"{value:,.0f}"
