"""The embedded stack: Redis, feedback service, sampler and trainer, for as long as a `with` block."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from apa.config import LOOPBACK
from apa.local.claims import check_ports, check_redis, own_folder
from apa.local.merged_log import MergedLog
from apa.local.parts import Part, RedisPart, ServicePart, grpc_answers, http_answers
from apa.local.redis_server import free_port
from apa.local.supervisor import Supervisor
from apa.local.temporary import temporary_folder
from apa.local.termination import sigterm_raises
from apa.local.worker_log import calm_environment, tidied

COMMANDS: Mapping[str, Sequence[str]] = {
    "feedback": (sys.executable, "-m", "feedback_service"),
    "sampler": (sys.executable, "-m", "sampler_service"),
    "trainer": (sys.executable, "-m", "trainer_worker"),
}


class LocalStack:
    """Every part as a supervised subprocess.

        with LocalStack() as stack, Client(stack.sampler, stack.feedback) as apa:
            ...

    Entering returns once each part answers its health check. A part that crashes is started again on the
    same ports, a few times; then the stack gives up and `wait` raises. Leaving ends everything; so do Ctrl-C,
    SIGTERM and the death of this process.

    Args:
        folder: where Redis keeps its data, to be found again; a temporary one when None.
        log: gets each line of the merged log; None for nowhere. The last lines are in errors either way.
        sampler_port, feedback_port: 0 for those of the environment (APA_SAMPLER_PORT, APA_FEEDBACK_PORT), or
            else a free one.
        prior_folders: directories of prior folders, for every service, beside the shipped ones.
        environment: more variables for the services, e.g. APA_SAMPLER_DEVICE.
        commands: how each service is started.
        start_timeout_s: until all parts are ready.
        grace_s: for running calls and refits to finish at the end.

    REDIS_URL, when set, names a Redis to use instead of one of our own. The trainer logs from WARNING on,
    unless APA_TRAINER_LOG_LEVEL says otherwise.

    Entering raises, beside what `Supervisor.start` does:
        InvalidArgument, Unavailable, FailedPrecondition: a port, the folder or REDIS_URL cannot be used; the
            field names it, and nothing has been started.
    """

    def __init__(
        self,
        folder: Path | str | None = None,
        *,
        log: Callable[[str], None] | None = None,
        sampler_port: int = 0,
        feedback_port: int = 0,
        prior_folders: Sequence[Path | str] = (),
        environment: Mapping[str, str] | None = None,
        commands: Mapping[str, Sequence[str]] = COMMANDS,
        start_timeout_s: float = 120.0,
        grace_s: float = 15.0,
    ) -> None:
        self._folder = Path(folder).absolute() if folder is not None else None
        self._log = MergedLog(log)
        self._ports = {"sampler": sampler_port, "feedback": feedback_port}
        self._environment = _served_from(prior_folders) | dict(environment or {})
        self._commands = dict(commands)
        self._start_timeout_s = start_timeout_s
        self._grace_s = grace_s
        self._services: dict[str, ServicePart] = {}
        self._redis: RedisPart | None = None
        self._supervisor: Supervisor | None = None
        self._exit = ExitStack()

    @property
    def redis_url(self) -> str:
        return self._redis.url if self._redis is not None else os.environ["REDIS_URL"]

    @property
    def sampler(self) -> str:
        """Address of the sampler, "host:port"."""
        return self._address("sampler")

    @property
    def feedback(self) -> str:
        """Address of the feedback service, "host:port"."""
        return self._address("feedback")

    @property
    def metrics(self) -> dict[str, str]:
        """URL of each service's metrics, by name."""
        return {
            name: f"http://{LOOPBACK}:{part.ready.metrics_port}/metrics"
            for name, part in self._services.items()
            if part.ready is not None
        }

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each part, by name."""
        redis = {"redis": self._redis.pid} if self._redis is not None else {}
        return redis | {name: part.pid for name, part in self._services.items()}

    def __enter__(self) -> Self:
        with ExitStack() as entering:
            entering.enter_context(sigterm_raises())
            check_ports(self._wanted_ports())
            if "REDIS_URL" in os.environ:
                check_redis(os.environ["REDIS_URL"])
            folder = entering.enter_context(
                temporary_folder() if self._folder is None else own_folder(self._folder)
            )
            self._supervisor = supervisor = Supervisor(
                self._groups(folder),
                self._log,
                start_timeout_s=self._start_timeout_s,
                grace_s=self._grace_s,
            )
            entering.callback(supervisor.stop)
            supervisor.start()
            self._exit = entering.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def wait(self, timeout_s: float | None = None) -> None:
        """Until the stack ends, or for `timeout_s`. Raises Unavailable when a part was given up."""
        assert self._supervisor is not None, "the stack was not entered"
        self._supervisor.wait(timeout_s)

    def _groups(self, folder: Path) -> list[list[Part]]:
        """Redis first; the services need it, and not each other, to become ready."""
        if "REDIS_URL" not in os.environ:
            self._redis = RedisPart(folder / "redis", free_port(), self._log)
        self._services = {name: self._service(name, folder) for name in self._commands}
        redis: list[Part] = [self._redis] if self._redis is not None else []
        return [redis, list(self._services.values())]

    def _wanted_ports(self) -> dict[str, int]:
        """Every port that is not left open, by the argument or the variable that sets it."""
        given = {f"{name}_port": port for name, port in self._ports.items()}
        keys = [f"APA_{name.upper()}_METRICS_PORT" for name in self._commands]
        keys += [f"APA_{name.upper()}_PORT" for name, port in self._ports.items() if not port]
        # What is no number is for the service to refuse.
        found = {key: os.environ.get(key, "") for key in keys}
        return given | {key: int(value) for key, value in found.items() if value.isdecimal()}

    def _service(self, name: str, folder: Path) -> ServicePart:
        ports = {"METRICS_PORT": 0}
        if name in self._ports:
            ports["PORT"] = self._ports[name]
        calm = calm_environment(os.environ) if name == "trainer" else {}
        return ServicePart(
            name,
            self._commands[name],
            folder,
            self._log,
            prefix=f"APA_{name.upper()}_",
            environment={"REDIS_URL": self.redis_url} | calm | self._environment,
            ports=ports,
            serves=grpc_answers if name in self._ports else http_answers,
            tidy=tidied if name == "trainer" else str,
        )

    def _address(self, name: str) -> str:
        ready = self._services[name].ready if name in self._services else None
        assert ready is not None, "the stack was not entered"
        return f"{LOOPBACK}:{ready.port}"


def _served_from(folders: Sequence[Path | str]) -> dict[str, str]:
    """The setting by which each service finds its priors; empty leaves it to the environment."""
    if not folders:
        return {}
    absolute = json.dumps([str(Path(folder).absolute()) for folder in folders])
    return {f"APA_{part.upper()}_PRIOR_FOLDERS": absolute for part in COMMANDS}
