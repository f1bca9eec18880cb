"""How near each corrector comes to targets known in closed form, for how many network evaluations."""

from benchmarks.exactness.main import run

__all__ = ["run"]
