"""Generates the Grafana dashboard, or checks that the committed one is up to date.

python -m deploy.grafana.dashboard [--check]
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase

from grafana_foundation_sdk.builders.common import VizLegendOptions, VizTooltipOptions
from grafana_foundation_sdk.builders.dashboard import Dashboard, DatasourceVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import LegendPlacement, TooltipDisplayMode
from grafana_foundation_sdk.models.dashboard import DashboardCursorSync, DataSourceRef

TARGET = Path(__file__).parent / "dashboards" / "apa.json"
DATASOURCE = DataSourceRef(type_val="prometheus", uid="${datasource}")
ALL_CALLS = "sum by (job) (rate(grpc_server_call_duration_seconds_count[$__rate_interval]))"


@dataclass(frozen=True)
class Query:
    """One expression and the name of each of its series, with `{{label}}` for a label's value."""

    expr: str
    legend: str


@dataclass(frozen=True)
class Graph:
    """One panel."""

    title: str
    unit: str
    queries: Sequence[Query]
    description: str = ""


def rate(metric: str, by: str = "", labels: str = "") -> str:
    """Events a second of a counter."""
    return f"sum {_by(by)}(rate({metric}{_braces(labels)}[$__rate_interval]))"


def quantile(q: float, histogram: str, by: str = "", labels: str = "") -> str:
    grouping = ", ".join(name for name in ("le", by) if name)
    return f"histogram_quantile({q}, {rate(f'{histogram}_bucket', grouping, labels)})"


def quantiles(histogram: str, *qs: float) -> list[Query]:
    return [Query(quantile(q, histogram), f"p{q * 100:g}") for q in qs]


def mean(histogram: str) -> str:
    return f"{rate(f'{histogram}_sum')} / {rate(f'{histogram}_count')}"


def error_ratio() -> str:
    """Share of calls that ended with a server's error, by job; 0 and not absent while there is none."""
    errors = 'grpc_status=~"UNKNOWN|DEADLINE_EXCEEDED|INTERNAL|UNAVAILABLE|DATA_LOSS"'
    failed = rate("grpc_server_call_duration_seconds_count", "job", errors)
    return f"({failed} or 0 * {ALL_CALLS}) / {ALL_CALLS}"


def _by(labels: str) -> str:
    return f"by ({labels}) " if labels else ""


def _braces(labels: str) -> str:
    return f"{{{labels}}}" if labels else ""


ROWS: dict[str, Sequence[Graph]] = {
    "Overview": (
        Graph("Targets up", "short", [Query("sum by (job) (up)", "{{job}}")]),
        Graph("Calls", "reqps", [Query(ALL_CALLS, "{{job}}")]),
        Graph(
            "Error ratio", "percentunit", [Query(error_ratio(), "{{job}}")], "Callers' mistakes do not count."
        ),
        Graph(
            "Call duration, p99",
            "s",
            [Query(quantile(0.99, "grpc_server_call_duration_seconds", "grpc_method"), "{{grpc_method}}")],
            "A Sample call lasts as long as its stream.",
        ),
    ),
    "Sampler": (
        Graph(
            "Requests",
            "short",
            [
                Query("sum(apa_requests_running)", "running"),
                Query("sum(apa_requests_waiting)", "waiting"),
            ],
        ),
        Graph("Time in the queue", "s", quantiles("apa_request_queue_seconds", 0.5, 0.95)),
        Graph("Time to the first particle", "s", quantiles("apa_time_to_first_particle_seconds", 0.5, 0.95)),
        Graph(
            "Streams ended",
            "reqps",
            [Query(rate("apa_streams_ended_total", "reason"), "{{reason}}")],
            "By reason.",
        ),
        Graph(
            "Runs by route",
            "reqps",
            [
                Query(rate("apa_runs_by_route_total", "route"), "{{route}}"),
                Query(rate("apa_runs_inadequate_total", "route"), "{{route}}, not adequate"),
            ],
            "Adequate by their certificate, or not.",
        ),
        Graph(
            "Runs made ahead",
            "reqps",
            [Query(rate("apa_prepared_runs_total", "outcome"), "{{outcome}}")],
            "By outcome; all but hit and joined were made for nobody.",
        ),
        Graph(
            "Batch, mean",
            "short",
            [
                Query(mean("apa_batch_runs"), "runs"),
                Query(mean("apa_batch_particles"), "particles"),
            ],
            "Of a tick of the engine.",
        ),
        Graph("Step interval", "s", quantiles("apa_step_interval_seconds", 0.5, 0.99)),
        Graph(
            "Effective sample size / N",
            "percentunit",
            quantiles("apa_ess_ratio", 0.1, 0.5),
            "Low: a few particles carry the weight.",
        ),
        Graph(
            "Corrections",
            "ops",
            [
                Query(rate("apa_resamples_total"), "resamplings"),
                Query(rate("apa_clip_events_total"), "clipped gradients"),
            ],
        ),
        Graph(
            "Surrogate cache hits",
            "percentunit",
            [
                Query(
                    f"{rate('apa_surrogate_cache_hits_total')} / {rate('apa_surrogate_cache_queries_total')}",
                    "hits",
                )
            ],
        ),
    ),
    "Learning": (
        Graph(
            "Feedback", "reqps", [Query(rate("apa_feedback_total", "kind, result"), "{{kind}} {{result}}")]
        ),
        Graph("Sessions due for a refit", "short", [Query("max(apa_sessions_due)", "due")]),
        Graph(
            "Refits",
            "ops",
            [
                Query(rate("apa_refits_total", "result"), "{{result}}"),
                Query(rate("apa_refits_coalesced_total"), "coalesced"),
                Query(rate("apa_refit_hints_lost_total"), "hints lost"),
            ],
        ),
        Graph("Refit duration", "s", quantiles("apa_refit_duration_seconds", 0.5, 0.99)),
        Graph(
            "Over-optimisation",
            "short",
            [
                *quantiles("apa_refit_gap", 0.5, 0.95),
                Query(f"{rate('apa_refits_tempered_total')} / {rate('apa_refits_total')}", "tempered"),
            ],
            "Predicted less true reward of what was shown, in standard deviations; refits that lower beta.",
        ),
        Graph("Answers inside 90% intervals", "percentunit", [Query(mean("apa_refit_coverage"), "covered")]),
        Graph(
            "Feedback accepted to first served",
            "s",
            quantiles("apa_surrogate_staleness_seconds", 0.5, 0.99),
            "Includes the user's own pause before the next slate.",
        ),
    ),
}


def expressions() -> list[str]:
    """Every expression of the dashboard, template variables unresolved."""
    return [query.expr for graphs in ROWS.values() for graph in graphs for query in graph.queries]


def build() -> str:
    """The dashboard as JSON."""
    dashboard = (
        Dashboard("Active preference alignment")
        .uid("apa")
        .tags(["apa"])
        .editable()
        .refresh("10s")
        .time("now-30m", "now")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(DatasourceVariable("datasource").label("Data source").type("prometheus"))
    )
    ids = itertools.count(1)
    for title, graphs in ROWS.items():
        dashboard.with_row(Row(title).id(next(ids)))
        for graph in graphs:
            dashboard.with_panel(_panel(graph).id(next(ids)))
    return JSONEncoder(sort_keys=True, indent=2).encode(dashboard.build()) + "\n"


def _panel(graph: Graph) -> Timeseries:
    panel = Timeseries().title(graph.title).unit(graph.unit).datasource(DATASOURCE).min(0).span(6).height(7)
    panel.legend(VizLegendOptions().show_legend(True).placement(LegendPlacement.BOTTOM))
    panel.tooltip(VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
    if graph.description:
        panel.description(graph.description)
    for ref_id, query in zip(ascii_uppercase, graph.queries, strict=False):
        target = Dataquery().ref_id(ref_id).expr(query.expr).legend_format(query.legend)
        panel.with_target(target.datasource(DATASOURCE))
    return panel


def main(argv: list[str]) -> int:
    if argv == ["--check"]:
        if TARGET.is_file() and TARGET.read_text() == build():
            return 0
        print(f"{TARGET.name} is stale: run `make dashboard`", file=sys.stderr)  # noqa: T201
        return 1
    if argv:
        print(__doc__, file=sys.stderr)  # noqa: T201
        return 2
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    TARGET.write_text(build())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
