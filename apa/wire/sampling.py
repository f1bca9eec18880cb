"""Sampling options to and from protobuf. A field left out stays left out: it is somebody else's default."""

from __future__ import annotations

from apa.pb import common_pb2
from apa.records.sampling import SamplingConfig, SamplingOverrides
from apa.records.validation import validated


def options_to_pb(options: SamplingOverrides | SamplingConfig) -> common_pb2.SamplingOptions:
    """What is set of `options`; of a full config, everything that a caller may choose."""
    given = options.model_dump(include=set(SamplingOverrides.model_fields), exclude_none=True)
    if options.active_interval is not None:
        t_min, t_max = options.active_interval
        given["active_interval"] = common_pb2.ActiveInterval(t_min=t_min, t_max=t_max)
    return common_pb2.SamplingOptions(**given)


def options_from_pb(options: common_pb2.SamplingOptions, *, field: str = "sampling") -> SamplingOverrides:
    """The overrides that a message names.

    Raises:
        InvalidArgument: a value is out of range, or a name unknown.
    """
    given = {name.name: value for name, value in options.ListFields()}
    if "active_interval" in given:
        given["active_interval"] = (options.active_interval.t_min, options.active_interval.t_max)
    return validated(SamplingOverrides, given, field=field)
