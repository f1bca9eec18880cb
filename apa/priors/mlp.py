"""A residual MLP denoiser for vectors of up to a few hundred dimensions."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, SerializerFunctionWrapHandler, model_serializer
from torch import Tensor, nn
from torch.nn import functional

from apa.errors import InvalidArgument
from apa.priors.blocks import FilmLinearBlock, LabelEmbedding, NoiseEmbedding, zero_init
from apa.priors.network import DenoiserNetwork


class MLPConfig(BaseModel):
    """The architecture, as stored in a prior folder."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data_shape: tuple[int]
    """(D,)."""
    width: int = Field(default=256, ge=8)
    num_blocks: int = Field(default=3, ge=1, le=16)
    """Residual blocks in each half."""
    feature_dim: int = Field(default=128, ge=1)
    """The middle is a bottleneck of this many activations, added back to the residual stream."""
    features: Literal["bottleneck", "stream"] = "bottleneck"
    """What surrogates see: the bottleneck's activations, or the residual stream before it, normalised."""
    embedding_dim: int = Field(default=128, ge=8)
    num_classes: int = Field(default=0, ge=0)
    """Classes that it can be conditioned on; 0 for a network that takes no labels."""

    @model_serializer(mode="wrap")
    def _without_the_older_features(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Folders whose features are the bottleneck stay readable by releases that know no other."""
        fields: dict[str, Any] = serialised(self)
        return {name: value for name, value in fields.items() if (name, value) != ("features", "bottleneck")}


class _State(NamedTuple):
    h: Tensor
    embedding: Tensor


class MLP(DenoiserNetwork):
    """Residual blocks, a layer of features in the middle, residual blocks."""

    def __init__(self, config: MLPConfig) -> None:
        super().__init__()
        (num_dims,) = config.data_shape
        if num_dims < 1:
            raise InvalidArgument(
                "a vector prior needs at least one dimension",
                field="data_shape",
                expected="(D,) with D >= 1",
                found=str(config.data_shape),
            )
        self.config = config
        self.data_shape = config.data_shape
        self.feature_dim = config.width if config.features == "stream" else config.feature_dim
        width, dim, blocks = config.width, config.embedding_dim, range(config.num_blocks)
        self.embed = NoiseEmbedding(dim)
        self.stem = nn.Linear(num_dims, width)
        self.down = nn.ModuleList(FilmLinearBlock(width, dim) for _ in blocks)
        self.to_features = nn.Linear(width, config.feature_dim)
        self.from_features = nn.Linear(config.feature_dim, width)
        self.up = nn.ModuleList(FilmLinearBlock(width, dim) for _ in blocks)
        self.norm = nn.LayerNorm(width)
        self.out = zero_init(nn.Linear(width, num_dims))
        self.num_classes = config.num_classes
        self.label = LabelEmbedding(config.num_classes, dim) if config.num_classes else None

    def encode(self, x: Tensor, log_snr: Tensor, labels: Tensor | None = None) -> tuple[Tensor, _State]:
        embedding = self.embed(log_snr)
        if self.label is not None:
            embedding = self.label(labels, embedding)
        h = self.stem(x)
        for block in self.down:
            h = block(h, embedding)
        middle = functional.silu(self.to_features(h))
        features = middle
        if self.config.features == "stream":
            # Most of the bottleneck is dead for most items, and overflows for a few: see decision 9.
            features = functional.layer_norm(h, h.shape[-1:])
        return features, _State(h + self.from_features(middle), embedding)

    def decode(self, state: _State) -> Tensor:
        h = state.h
        for block in self.up:
            h = block(h, state.embedding)
        out: Tensor = self.out(functional.silu(self.norm(h)))
        return out
