"""The budgeted loop in-process: ask, learn, steer, ask again, by the services' own parts."""

from alignment.loop import History, Respond, Round, align

__all__ = ["History", "Respond", "Round", "align"]
