"""A fixed piece of work at a coordinator, done by hand: each request is repeated until it is acknowledged, and at the
end everything acknowledged has to be there."""
import hashlib
import json
import urllib.parse

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 40
RESULT = b'{"kl_pooled": 0.25}'
LOG = b"began\n" * 300
SWEEP = {"version": 1, "sweep": "errand", "base": {"model.path": "none", "data.path": "none"},
         "runs": {"first": {"train.steps": 4}, "second": {"train.steps": 5}}}
BATCHES = 6  # of points
MOST_TRIES = 150  # every thread of the server meets the fault once


def digest(content):
    return hashlib.sha256(content).hexdigest()


def lines(*events):
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def batch(number):
    return lines(*({"type": "metrics", "step": step, "values": {"train/loss": step / 7, "train/lr": 1e-4}}
                   for step in range(number * 10 + 1, number * 10 + 11)))


def tail():
    return lines(
        {"type": "checkpoint", "step": 60, "path": "checkpoints/step-00000060", "manifest_sha256": digest(b"m"),
         "bytes": 1},
        {"type": "sample", "step": 60, "file": "samples/0.png", "prompt": "p", "seed": 0, "bytes": len(PICTURE),
         "sha256": digest(PICTURE)},
        {"type": "eval", "step": 60, "protocol_hash": "p", "file": "eval/result.json", "bytes": len(RESULT),
         "sha256": digest(RESULT)},
        {"type": "end", "exit_code": 0})


class Errand:
    """`revive(status)` is called after every request that was not taken (0: no answer): it makes sure that there is a
    coordinator."""

    def __init__(self, api, revive):
        self.api, self.revive = api, revive
        self.refusals = []  # (what, status, body) of every answer but the acknowledgement
        self.sent = {"events": 0, "log": 0}
        self.backups = []

    def until_taken(self, what, ask, taken=lambda answer: answer.status == 200):
        for _ in range(MOST_TRIES):
            status = 0
            try:
                answer = ask()
                if taken(answer):
                    return answer
                status = answer.status
                self.refusals.append((what, status, answer.body))
            except OSError:
                self.refusals.append((what, 0, b""))
            self.revive(status)
        raise AssertionError(f"{what} is never taken: {self.refusals[-3:]}")

    def post(self, what, body, path=None, token="token", headers=()):
        target = path or f"/api/v1/workers/{what}"
        return self.until_taken(what, lambda: self.api(token).post(target, body, headers)).json()

    def data(self, what, method, body, **query):
        query = urllib.parse.urlencode({"run_id": self.key["run_id"], "lease_epoch": self.key["lease_epoch"], **query})
        headers = [f"X-Sarsweep-Grant: {self.key['grant_token']}"]
        return self.api("worker-token").ask(method, f"/api/v1/data/{what}?{query}", body, headers, to="data")

    def append(self, stream, content):
        after = self.sent[stream] + len(content)

        def taken(answer):  # 409 with that offset: the reply to an earlier try was lost.
            return answer.status in (200, 409) and answer.json().get("stored") == after
        self.until_taken(stream, lambda: self.data(stream, "POST", content, offset=self.sent[stream]), taken)
        self.sent[stream] = after

    def upload(self, content):
        self.until_taken("upload", lambda: self.data(f"artifacts/{digest(content)}", "PUT", content))

    def lease(self):
        worker = self.post("register", {"name": "by-hand", "incarnation": "1", "host": "", "threads": 1,
                                        "slots": [{"index": 0, "device": "cpu"}]}, token="worker-token")
        who = {"worker_id": worker["worker_id"], "incarnation": "1"}
        reply = self.post("lease", who | {"nonce": "1", "free_slots": [0]}, token="worker-token")
        self.key = reply["grants"][0]["key"]
        self.post("started", self.key, token="worker-token")
        self.post("heartbeat", who | {"draining": False, "leases": [self.key]}, token="worker-token")

    def run(self):
        self.post("submit", {"text": json.dumps(SWEEP)}, "/api/v1/sweeps", headers=["Idempotency-Key: errand"])
        self.lease()
        for number in range(BATCHES):
            self.append("events", batch(number))
            self.append("log", LOG)
        self.upload(PICTURE)
        self.upload(RESULT)
        self.append("events", tail())
        self.post("finish", {"key": self.key, "exit_code": 0, "event_bytes": self.sent["events"],
                             "log_bytes": self.sent["log"]}, token="worker-token")
        second = next(run for run in self.get("/api/v1/runs?sweep=errand") if run["name"] == "second")
        self.until_taken("cancel", lambda: self.api("token").post(f"/api/v1/runs/{second['id']}/cancel"),
                         lambda answer: answer.status in (200, 409))
        self.backups.append(self.post("backup", {}, "/api/v1/backups")["file"])

    def get(self, target):
        return self.read(target).json()

    def read(self, target):
        return self.until_taken(target, lambda: self.api("token").get(target))

    def check(self, test, told):
        """Everything that was acknowledged is there, once."""
        states = {run["name"]: run["state"] for run in self.get("/api/v1/runs?sweep=errand")}
        test.assertEqual(states, {"first": "done", "second": "cancelled"}, told)
        run = self.key["run_id"]
        points = [(step, step / 7) for step in range(1, BATCHES * 10 + 1)]
        series = self.get(f"/api/v1/runs/{run}/metrics?key=train/loss")["train/loss"]
        test.assertEqual([(step, value) for step, value, _ in series], points, told)
        log = self.get(f"/api/v1/runs/{run}/log?offset=0&limit=100000")["text"]
        test.assertEqual(log.encode(), LOG * BATCHES, told)
        for content in (PICTURE, RESULT):
            test.assertEqual(self.read(f"/api/v1/artifacts/{digest(content)}").body, content, told)
        test.assertEqual(self.get(f"/api/v1/runs/{run}/eval"), json.loads(RESULT), told)
