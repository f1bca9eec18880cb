"""The whole system on one machine: every part a supervised subprocess, ready in order, gone at the end."""

from apa.local.stack import LocalStack

__all__ = ["LocalStack"]
