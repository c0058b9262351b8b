"""A service as the supervisor sees one: python fake_service.py serve PORT [deaf] | die CODE WORDS | loiter"""

import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer


class Ready(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ok; sales.outbox: dead letters: 1 failed, 2 wait behind them")


def main(what: str, *arguments: str) -> None:
    if what == "die":
        print(*arguments[1:], flush=True)  # noqa: T201 - the log is what is tested
        sys.exit(int(arguments[0]))
    if "deaf" in arguments:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if what == "serve":
        HTTPServer(("127.0.0.1", int(arguments[0])), Ready).serve_forever()
    time.sleep(60)


if __name__ == "__main__":
    main(*sys.argv[1:])
