"""What a method computes, counted where torch runs it."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode
from torch.utils.module_tracker import ModuleTracker


class OperationCounter(FlopCounterMode):
    """Floating-point operations of matrix products and convolutions, all together.

    torch counts by module too, by hooks on what goes into one: these fail in `autograd.grad` where a network
    is given the very tensor that is differentiated by, as Algorithm 1's is.
    """

    def __init__(self) -> None:
        super().__init__(display=False)
        self.mod_tracker = _NoModules()


class _NoModules(ModuleTracker):
    """Always outside of every module."""

    def __enter__(self) -> _NoModules:
        return self

    def __exit__(self, *_: object) -> None:
        return None
