"""Many draws of a prior's own chain, kept outside the repository and gone on with where they ended.

What is kept of an end point is what a linear reward reads and what the judge says, so that reward and beta
can be chosen afterwards.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import load_file
from safetensors.torch import save as to_bytes
from torch import Tensor

from apa.errors import FailedPrecondition
from apa.priors.base import Prior
from apa.priors.folder import write_atomically
from apa.records.sampling import SamplingConfig
from sampler_service.sampling import sample

PROBE_ROWS = 4
DEFAULT_CACHE = Path.home() / ".cache" / "active-preference-alignment" / "exactness"


@dataclass(frozen=True)
class Chain:
    """A prior with the steps that it is run by, and who judges the end points.

    Attributes:
        config: of the steered runs; draws share its steps, grid, ends and integrator.
        reads: what of the denoiser's answer at the end point a reward is linear in.
        judge: end points (N, *data_shape) -> (N, J), what is needed of them later.
        judge_key: changes when the judge does.
    """

    prior: Prior
    config: SamplingConfig
    reads: Literal["features", "x_0_hat"]
    judge: Callable[[Tensor], Tensor]
    judge_key: str

    def read(self, x: Tensor) -> Tensor:
        """(N, F), what the reward reads at end points (N, *data_shape)."""
        t = x.new_full((len(x),), self.config.t_end)
        with torch.inference_mode():
            if self.reads == "features":
                return self.prior.features(x, t)
            return self.prior.denoise(x, t).x_0_hat.flatten(1)

    @property
    def unsteered(self) -> SamplingConfig:
        return self.config.model_copy(update={"corrector": "none"})

    @property
    def key(self) -> str:
        """The same for the same draws: of the weights, the chain and the judge."""
        path = self.config.model_dump(include={"num_steps", "integrator", "grid", "t_start", "t_end"})
        parts = [self.prior.content_hash, path, self.reads, self.judge_key]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Draws:
    """M end points of the chain.

    Attributes:
        read: (M, F), see `Chain.read`. judged: (M, J).
    """

    read: Tensor
    judged: Tensor

    def __len__(self) -> int:
        return len(self.read)


def draw(
    chain: Chain,
    num_chunks: int,
    rows: int,
    cache: Path = DEFAULT_CACHE,
    on_chunk: Callable[[int], None] = lambda _done: None,
) -> Draws:
    """The chunks 0, 1, ...: chunk c is the run of seed c, read from the cache where it is there.

    Args:
        rows: draws of one chunk; M = num_chunks * rows.
        on_chunk: told how many chunks are there after each that was missing.

    Raises:
        FailedPrecondition: the chain gives other particles now than when the kept ones were drawn.
    """
    folder = cache / f"{chain.prior.card.name}-{chain.key}-{rows}"
    folder.mkdir(parents=True, exist_ok=True)
    _check_unchanged(chain, folder / "probe.safetensors")
    chunks = []
    for seed in range(num_chunks):
        path = folder / f"{seed:05d}.safetensors"
        if not path.is_file():
            write_atomically(path, to_bytes(_chunk(chain, seed, rows)))
            on_chunk(seed + 1)
        chunks.append(load_file(path))
    return Draws(*(_joined(chunks, name) for name in ("read", "judged")))


def _chunk(chain: Chain, seed: int, rows: int) -> dict[str, Tensor]:
    config = chain.unsteered.model_copy(update={"seed": seed})
    x = sample(chain.prior, None, config, num_particles=rows).x
    return {"read": chain.read(x).contiguous(), "judged": chain.judge(x).contiguous()}


def _check_unchanged(chain: Chain, path: Path) -> None:
    """The key knows the weights and the config, not the code: a few particles are drawn again each time."""
    probe = _chunk(chain, seed=0, rows=PROBE_ROWS)["read"]
    if not path.is_file():
        write_atomically(path, to_bytes({"read": probe}))
        return
    kept = load_file(path)["read"]
    # Wide enough for another machine's rounding, which ten or twenty steps carry along.
    if not torch.allclose(kept, probe, rtol=0.01, atol=0.01):
        raise FailedPrecondition(
            "the kept draws are of another chain; remove their folder",
            field="cache",
            expected="the same particles from the same seed",
            found=f"numbers up to {float((kept - probe).abs().max()):.3g} apart in {path.parent.name}",
        )


def _joined(chunks: Sequence[dict[str, Tensor]], name: str) -> Tensor:
    return torch.cat([chunk[name] for chunk in chunks])
