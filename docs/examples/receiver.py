"""Receive webhooks: check the secret in the path, read the event, reply at once."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from inveterate.webhooks import PaymentFailed, UnreadableEventError, parse


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status = 202
        try:
            event = parse(body)
        except UnreadableEventError as error:
            status = 400
            print(error.reason, flush=True)
        else:
            if self.path != f"/webhooks/{os.environ['WEBHOOK_SECRET']}":
                status = 404  # v2.0 does not sign its webhooks: an unguessable URL is all there is
            elif isinstance(event, PaymentFailed):
                print(event.id, event.customer_id, event.detail.amount, flush=True)
        self.send_response(status)
        self.end_headers()


ThreadingHTTPServer(("127.0.0.1", int(os.environ.get("PORT", "8700"))), Receiver).serve_forever()
