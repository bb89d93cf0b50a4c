"""The HTTP API by hand: requests byte for byte, and a worker that sends whatever a test wants sent."""
import hashlib
import json
import re
import socket
import urllib.parse
from typing import NamedTuple


class Answer(NamedTuple):
    status: int  # 0: closed without a word
    head: str
    body: bytes

    def json(self):
        return json.loads(self.body)

    def header(self, name):
        found = re.search(rf"^{name}: (.*?)\r?$", self.head, re.IGNORECASE | re.MULTILINE)
        return found[1] if found else None

    def whole(self):
        """False where the server went away between the head and the end of the body."""
        return len(self.body) >= int(self.header("Content-Length") or 0)


def send(port, request):
    """All that the server says to these bytes."""
    heard = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        try:
            connection.sendall(request)
            while piece := connection.recv(65536):
                heard += piece
        except (BrokenPipeError, ConnectionResetError):
            pass  # It refused before it had read all.
    head, _, body = heard.partition(b"\r\n\r\n")
    status = int(head[9:12]) if head.startswith(b"HTTP/1.1 ") else 0
    return Answer(status, head.decode("latin-1"), body)


class Api:
    """Both listeners of a home, with the right of the token in one of its files."""

    def __init__(self, home, token_file="token"):
        ready = home.ready()
        self.ports = {name: urllib.parse.urlsplit(ready[key]).port for name, key in (("control", "url"), ("data", "data_url"))}
        self.token = (home.folder / token_file).read_text().strip()

    def ask(self, method, target, body=b"", headers=(), to="control"):
        """`target` goes out as it is; latin-1 where it is text."""
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        lines = [f"Host: 127.0.0.1:{self.ports[to]}", f"Authorization: Bearer {self.token}", *headers]
        if method not in ("GET", "HEAD"):
            lines.append(f"Content-Length: {len(body)}")
        target = target if isinstance(target, bytes) else target.encode("latin-1")
        head = method.encode() + b" " + target + b" HTTP/1.1\r\n" + "\r\n".join(lines).encode() + b"\r\n\r\n"
        return send(self.ports[to], head + body)

    def get(self, target):
        return self.ask("GET", target)

    def post(self, target, body=b"{}", headers=(), to="control"):
        return self.ask("POST", target, body, headers, to)


class Worker:
    """Registers, leases one run, and says of it what it is told to say."""

    def __init__(self, home, name="by-hand", host="", device="cpu"):
        self.api, self.incarnation = Api(home, "worker-token"), "1"
        self.key, self.grant, self.sent = None, None, {"events": 0, "log": 0}
        reply = self.call("register", {"name": name, "incarnation": self.incarnation, "host": host, "threads": 1,
                                       "slots": [{"index": 0, "device": device}]})
        self.id = reply["worker_id"]

    def call(self, what, body):
        answer = self.api.post(f"/api/v1/workers/{what}", body)
        assert answer.status == 200, (what, answer)
        return answer.json()

    def lease(self, nonce="1"):
        """The next run of the queue, started."""
        reply = self.call("lease", {"worker_id": self.id, "incarnation": self.incarnation, "nonce": nonce, "free_slots": [0]})
        self.grant = reply["grants"][0]
        self.key, self.sent = self.grant["key"], {"events": 0, "log": 0}
        self.call("started", self.key)
        return self.grant

    def data_target(self, path, **more):
        query = {"run_id": self.key["run_id"], "lease_epoch": self.key["lease_epoch"], **more}
        return f"/api/v1/data/{path}?{urllib.parse.urlencode(query)}"

    def data(self, method, target, body):
        return self.api.ask(method, target, body, [f"X-Sarsweep-Grant: {self.key['grant_token']}"], to="data")

    def append(self, stream, data):
        answer = self.data("POST", self.data_target(stream, offset=self.sent[stream]), data)
        assert answer.status == 200, answer
        self.sent[stream] = answer.json()["stored"]

    def say(self, *events):
        self.append("events", b"".join(json.dumps(event).encode() + b"\n" for event in events))

    def log(self, text):
        self.append("log", text.encode())

    def upload(self, data):
        """Its digest, by which events name it."""
        digest = hashlib.sha256(data).hexdigest()
        answer = self.data("PUT", self.data_target(f"artifacts/{digest}"), data)
        assert answer.status == 200, answer
        return digest

    def finish(self, exit_code=0, reason=""):
        return self.call("finish", {"key": self.key, "exit_code": exit_code, "reason": reason,
                                    "event_bytes": self.sent["events"], "log_bytes": self.sent["log"]})
