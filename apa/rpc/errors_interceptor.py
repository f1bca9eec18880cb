"""Turns what a servicer raises into a status with details, and aborts the call."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from pydantic import ValidationError

from apa.errors import ApaError, Internal
from apa.records.validation import invalid_argument
from apa.rpc.call_errors import DETAILS_KEY
from apa.rpc.handlers import AroundInterceptor
from apa.rpc.statuses import to_status

logger = logging.getLogger(__name__)

CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}


class ErrorsInterceptor(AroundInterceptor):
    """`ApaError` becomes its status, `ValidationError` INVALID_ARGUMENT, anything else INTERNAL without its
    text.

    Cancellation passes through: it is no error of the servicer.
    """

    @asynccontextmanager
    async def around(self, method: str, context: Any) -> AsyncIterator[None]:
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except ApaError as error:
            await abort(context, error)
        except ValidationError as error:
            await abort(context, invalid_argument(error))
        except Exception:
            logger.exception("%s failed", method)
            await abort(context, Internal(f"{method} failed; the server's log says why"))


async def abort(context: Any, error: ApaError) -> None:
    """Ends the call with the status of `error`; never returns.

    Raises:
        grpc.aio.AbortError: always; it unwinds the servicer.
    """
    status = to_status(error)
    details = ((DETAILS_KEY, status.SerializeToString()),)
    await context.abort(CODES[status.code], status.message, details)
