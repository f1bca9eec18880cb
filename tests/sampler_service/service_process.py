"""The sampler as a process of its own, on small priors of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

from apa.client import Client
from apa.rpc.ready import Ready, read_ready
from tests.waiting import wait_until

SETTINGS = {
    "APA_SAMPLER_TORCH_THREADS": "1",
    "APA_SAMPLER_NUM_STEPS": "8",
    "APA_SAMPLER_MAX_PARTICLES": "512",
    "APA_SAMPLER_MAX_STEPS": "400",
    "APA_SAMPLER_MAX_MESSAGE_BYTES": str(64 * 1024),
}


@dataclass(frozen=True)
class RunningSampler:
    ready: Ready
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.ready.port}"

    def client(self, **options: float) -> Client:
        # No test here says anything to the feedback service.
        return Client(sampler=self.address, feedback="127.0.0.1:1", **options)  # type: ignore[arg-type]

    def measured(self, sample: str) -> float:
        """The value of one sample of /metrics, e.g. `apa_requests_running`; 0 where there is none yet."""
        with urlopen(f"http://127.0.0.1:{self.ready.metrics_port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{sample} ")), 0.0)


@contextmanager
def running_sampler(
    folder: Path, redis_url: str, priors: Path, module: str = "sampler_service", **settings: str
) -> Iterator[RunningSampler]:
    """Starts `python -m sampler_service`, or another module in its place; it is gone at the end."""
    ready_file = folder / "ready.json"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("APA_", "REDIS_URL"))}
    own = {
        "REDIS_URL": redis_url,
        "APA_SAMPLER_READY_FILE": str(ready_file),
        "APA_SAMPLER_PRIOR_FOLDERS": f'["{priors}"]',
    }
    process = subprocess.Popen([sys.executable, "-m", module], env=inherited | SETTINGS | own | settings)
    try:
        wait_until(lambda: ready_file.exists() or process.poll() is not None, 60, "the sampler's start")
        ready = read_ready(ready_file)
        assert ready is not None, f"the sampler ended with {process.returncode}"
        yield RunningSampler(ready, process)
    finally:
        process.terminate()
        process.wait(20)
