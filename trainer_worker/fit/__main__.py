"""python -m trainer_worker.fit FOLDER: learn how heads on a prior's features look through noise, from its
samples.

Writes transport.safetensors into the prior's folder. Once per prior; refits without it work, but see less
at noise.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from apa.errors import ApaError
from apa.priors import load_prior
from apa.priors.folder import write_atomically
from trainer_worker.fit.transport import TRANSPORT_FILE, fit_transport
from trainer_worker.priors.quality import draw_samples


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    try:
        prior = load_prior(options.folder)
        x = draw_samples(prior, options.samples, options.steps, options.seed)
        transport = fit_transport(prior, x, options.seed)
        write_atomically(options.folder / TRANSPORT_FILE, transport.to_bytes())
    except ApaError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m trainer_worker.fit", description=__doc__)
    parser.add_argument("folder", type=Path, help="the prior's folder")
    parser.add_argument("--samples", type=int, default=2000, help="samples of the prior to learn from")
    parser.add_argument("--steps", type=int, default=25, help="denoiser evaluations per sample")
    parser.add_argument("--seed", type=int, default=0)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
