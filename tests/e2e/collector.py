"""An OpenTelemetry collector that keeps what it is sent."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class Span(NamedTuple):
    service: str
    name: str
    trace: str
    traces: frozenset[str]
    """The trace it belongs to, and the ones it is linked to."""


class Collector:
    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.url = ""

    def of_trace(self, trace_id: str) -> set[tuple[str, str]]:
        """Service and name of the spans that belong to the trace, or are tied to it by a link."""
        return {(span.service, span.name) for span in list(self.spans) if trace_id in span.traces}

    def within(self, trace_id: str) -> set[tuple[str, str]]:
        """The same, without the ones that a link ties to it."""
        return {(span.service, span.name) for span in list(self.spans) if trace_id == span.trace}

    @classmethod
    @contextmanager
    def listening(cls) -> Iterator["Collector"]:
        collector = cls()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                collector._take(self.rfile.read(int(self.headers["content-length"])))
                self.send_response(200)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            collector.url = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield collector
            finally:
                server.shutdown()
                thread.join()

    def _take(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            attributes = {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [
                Span(
                    attributes["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    frozenset([span.trace_id.hex(), *(link.trace_id.hex() for link in span.links)]),
                )
                for scope in resource.scope_spans
                for span in scope.spans
            ]
