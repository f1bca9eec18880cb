"""The budgeted loop in-process: ask a little, learn, steer, ask again; the services' own parts, no service."""

from alignment.loop import History, Respond, Round, align

__all__ = ["History", "Respond", "Round", "align"]
