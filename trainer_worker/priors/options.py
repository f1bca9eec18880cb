"""What a fit is asked to do; everything here decides the weights, and nothing else does."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FitOptions(BaseModel):
    """The options of one fit, stored in its checkpoint and named in the card's training command."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(ge=1)
    """Optimiser steps; the learning rate reaches 0 at the last."""
    batch: int = Field(default=128, ge=2)
    lr: float = Field(default=1.5e-3, gt=0)
    """The peak learning rate, after the warm-up."""
    seed: int = Field(default=0, ge=0, lt=2**31)
    ema: float = Field(default=0.999, gt=0, lt=1)
    """Decay per step of the averaged weights, which are the ones saved."""
    width: int = Field(default=48, ge=8)
    """Width of the network, see `UNetConfig` and `MLPConfig`."""
    blocks: int = Field(default=2, ge=1)
    precision: str = Field(default="float32", pattern="^(bfloat16|float32)$")
    """Of the products while training; weights, loss and optimiser are float32."""

    @property
    def warmup_steps(self) -> int:
        return min(300, self.steps // 10 + 1)

    def as_arguments(self) -> str:
        """The options as command-line arguments, in order."""
        return " ".join(f"--{name} {value}" for name, value in self.model_dump().items())
