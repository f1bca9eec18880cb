"""Which route is the cheapest that does, over a map of rarity, dimension and stored draws."""

from benchmarks.routes.main import run

__all__ = ["run"]
