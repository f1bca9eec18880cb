"""Active preference alignment: what every service and caller shares."""

__version__ = "0.1.0"
