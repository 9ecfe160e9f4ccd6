"""A collector to look at: takes OTLP over HTTP on 127.0.0.1:4318 and prints one line for each span."""

from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

KINDS = {Span.SPAN_KIND_SERVER: "server", Span.SPAN_KIND_CLIENT: "client"}


class Receiver(BaseHTTPRequestHandler):
    """Answers everything as if it had been taken; only spans are looked at."""

    def do_POST(self) -> None:
        """Takes one export."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/v1/traces":
            for span in spans_in(ExportTraceServiceRequest.FromString(body)):
                print(describe(span), flush=True)
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing of the requests."""


def spans_in(request: ExportTraceServiceRequest) -> list[Span]:
    return [span for group in request.resource_spans for scope in group.scope_spans for span in scope.spans]


def describe(span: Span) -> str:
    milliseconds = (span.end_time_unix_nano - span.start_time_unix_nano) / 1e6
    error = next((each.value.string_value for each in span.attributes if each.key == "error.type"), "")
    kind = KINDS.get(span.kind, "other")
    return f"{span.trace_id.hex()} {kind} {span.name} {milliseconds:.1f} ms {error}".rstrip()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", 4318), Receiver).serve_forever()
