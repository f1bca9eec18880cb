"""The middle activations of a network that was written elsewhere and does not hand them out."""

from __future__ import annotations

import threading
from collections.abc import Callable

from torch import Tensor, nn


class _Reached(Exception):  # noqa: N818 (no error: it ends a pass that has given all that was wanted)
    pass


class Middle:
    """Listens to one module inside a network; threads that share the network do not disturb each other."""

    def __init__(self, module: nn.Module) -> None:
        self._own = threading.local()
        module.register_forward_hook(self._hear)

    def both(self, forward: Callable[[], Tensor]) -> tuple[Tensor, Tensor]:
        """What `forward` returns, and the module's output on the way."""
        self._own.stop = False
        output = forward()
        return output, self._take()

    def only(self, forward: Callable[[], Tensor]) -> Tensor:
        """The module's output; the network behind it is not run."""
        self._own.stop = True
        try:
            forward()
        except _Reached:
            return self._take()
        finally:
            self._own.stop = False
        raise AssertionError("the middle of a network is on every way through it")

    def _hear(self, module: nn.Module, inputs: object, output: Tensor) -> None:  # noqa: ARG002
        self._own.output = output
        if getattr(self._own, "stop", False):
            raise _Reached

    def _take(self) -> Tensor:
        # Forgotten at once: it holds a graph, and with it every activation before it.
        output: Tensor = self._own.output
        del self._own.output
        return output
