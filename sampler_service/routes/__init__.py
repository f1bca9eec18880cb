"""Three ways to the same target, from the cheapest: rank stored draws, start from them, steer from noise."""

from __future__ import annotations

from sampler_service.routes.certificate import Certificate, certify
from sampler_service.routes.choosing import RouteChoice, choose
from sampler_service.routes.outlook import Outlook, look
from sampler_service.routes.plugin import Sampler, Target, draw_by, handed_back
from sampler_service.routes.registered import register, sampler_at, sampler_named
from sampler_service.routes.stored_pool import StoredPool, draw_pool
from sampler_service.routes.taking import Taken, take

__all__ = [
    "Certificate",
    "Outlook",
    "RouteChoice",
    "Sampler",
    "StoredPool",
    "Taken",
    "Target",
    "certify",
    "choose",
    "draw_by",
    "draw_pool",
    "handed_back",
    "look",
    "register",
    "sampler_at",
    "sampler_named",
    "take",
]
