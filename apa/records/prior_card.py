"""What is known about a prior without loading it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

DecoderKind = Literal["none", "png", "catalogue"]


class PriorCard(BaseModel):
    """The card of a prior folder (`card.json`): what it is, where it comes from, how good it is."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: int = 1
    name: str = Field(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9_-]*$")
    """The name that requests use, e.g. `fashion`."""
    kind: Literal["image", "latent", "vector", "gaussian_mixture"]
    """A latent is decoded to an image only when it is shown."""
    data_shape: tuple[int, ...]
    """Shape of one item, without a batch axis, e.g. (1, 28, 28)."""
    decoder: DecoderKind
    """How a particle becomes something to show: not at all, as a PNG, or as the nearest catalogue items."""
    feature_dim: int = Field(ge=0)
    """F, the length of the denoiser's feature vector; 0 when the prior has none."""
    num_items: int = Field(default=0, ge=0)
    """Items of the catalogue; 0 when there is none."""
    class_names: tuple[str, ...] = ()
    """The classes that it can be conditioned on, in the order of their labels; empty when trained without."""
    description: str = ""
    data: str = ""
    """Which data it was trained on, with its source."""
    data_licence: str = ""
    training_command: str = ""
    quality: dict[str, float] = Field(default_factory=dict)
    """Measured figures, by name; what each means is in the description beside the prior."""
