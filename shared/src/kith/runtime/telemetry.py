"""Logs, traces and metrics, and the middleware that starts them for a request.

Metrics are served on a port of their own, so that what scrapes them needs no way to the API.
"""

import logging
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import structlog
from opentelemetry import propagate, trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from kith.runtime.redaction import described, said

tracer = trace.get_tracer("kith")
log = structlog.get_logger()

REQUESTS = Histogram(
    "kith_http_request_seconds", "Time to answer an HTTP request of the API", ["service", "method", "route", "status"]
)
ERRORS = Counter("kith_http_errors_total", "HTTP requests answered with 500 or more", ["service", "route"])


def configure(service: str, *, otlp_endpoint: str | None, log_json: bool, log_level: str) -> None:
    """Once per process, before anything logs."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _add_trace,
            _redact,
            structlog.processors.JSONRenderer() if log_json else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[log_level]),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(handlers=[_OfLibraries()], level=logging.WARNING, force=True)
    sys.excepthook = lambda _, error, __: log.critical("crashed", exc_info=error)
    provider = TracerProvider(resource=Resource.create({"service.name": f"kith-{service}"}))
    if otlp_endpoint is not None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - heavy, and often not needed
            OTLPSpanExporter,
        )

        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(f"{otlp_endpoint}/v1/traces")))
    trace.set_tracer_provider(provider)


def current_traceparent() -> str | None:
    """The W3C trace context of what runs now: it goes into the outbox, so that a trace spans the bus."""
    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier.get("traceparent")


def _redact(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Replaces exceptions, which are logged as they are, with what may be logged of them."""
    raised = entry.pop("exc_info", None)
    if raised is True:
        raised = sys.exception()
    if isinstance(raised, BaseException):
        entry["exception"] = described(raised)
    for name, value in entry.items():
        if isinstance(value, BaseException):
            entry[name] = said(value)
    return entry


class _OfLibraries(logging.Handler):
    """What libraries log, in our form. Of what they put into a message only the pattern, as nobody knows what it is;
    Kafka's client knows brokers and topics, and no caller."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith("aiokafka"):
            words: object = record.getMessage()
        else:
            words = record.msg if isinstance(record.msg, BaseException) else str(record.msg).partition("\n")[0]
        raised = record.exc_info[1] if record.exc_info else None
        level = min(max(record.levelno, logging.WARNING), logging.CRITICAL)
        log.log(level, "library", logger=record.name, words=words, exc_info=raised)


@contextmanager
def span(name: str, **options: Any) -> Iterator[trace.Span]:
    """A span that records of an exception its kind alone: its message leaves the process no more than a log's."""
    with tracer.start_as_current_span(
        name, record_exception=False, set_status_on_exception=False, **options
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(trace.Status(trace.StatusCode.ERROR, type(error).__qualname__))
            raise


def _add_trace(_: object, __: str, entry: structlog.typing.EventDict) -> structlog.typing.EventDict:
    context = trace.get_current_span().get_span_context()
    if context.is_valid:
        entry["trace_id"] = format(context.trace_id, "032x")
    return entry


class TelemetryMiddleware:
    """A span and a measurement per request. Pure ASGI: nothing is buffered."""

    def __init__(self, app: ASGIApp, *, service: str) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        parent = propagate.extract(_carrier(scope))
        with span(scope["method"], context=parent, kind=trace.SpanKind.SERVER) as current:
            try:
                await self._app(scope, receive, watched)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                current.update_name(f"{scope['method']} {route}")
                current.set_attribute("http.response.status_code", status)
                REQUESTS.labels(self._service, scope["method"], route, status).observe(
                    time.perf_counter() - started, _exemplar(current)
                )
                if status >= 500:
                    ERRORS.labels(self._service, route).inc()


def _exemplar(current: trace.Span) -> dict[str, str] | None:
    """The trace that a measurement is an example of, if it is exported."""
    context = current.get_span_context()
    return {"trace_id": format(context.trace_id, "032x")} if context.trace_flags.sampled else None


def _carrier(scope: Scope) -> Mapping[str, str]:
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
