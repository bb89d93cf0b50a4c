"""What must hold of a fleet whatever happened on the way: of every attempt, and of every run once it is done."""
import collections
import hashlib
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from attempts import fault_of  # noqa: E402
from home import until  # noqa: E402


def outcome(fleet, sweep):
    """By name, what came of every run: its series, its final weights, the files it sent."""
    found = {}
    for run in fleet.runs(sweep):
        row = fleet.rows("SELECT id, uid FROM run WHERE uid = ?", run["id"])[0]
        last = fleet.rows("SELECT epoch, path FROM checkpoint WHERE run = ? ORDER BY step DESC, epoch DESC",
                          row["id"])[0]
        weights = fleet.run_dir(row["uid"], last["epoch"]) / last["path"] / "weights.bin"
        series = fleet.get(f"/api/v1/runs/{run['id']}/metrics")
        found[run["name"]] = {
            "series": {key: [(step, value) for step, value, _ in points] for key, points in series.items()},
            "weights": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "samples": {sample["sha256"] for sample in fleet.get(f"/api/v1/runs/{run['id']}/samples")},
            "result": fleet.get(f"/api/v1/runs/{run['id']}/eval")}
    return found


def points_of(lines, about):
    """(key, step) -> value of whole lines of events.jsonl; none may be told twice."""
    points = {}
    for line in lines.splitlines():
        event = json.loads(line)
        if event["type"] == "metrics":
            for key, value in event["values"].items():
                assert (key, event["step"]) not in points, f"{about}: {key} twice at step {event['step']}"
                points[key, event["step"]] = value
    return points


class Audit:
    """The checks, as a TestCase's."""

    def __init__(self, test, fleet, told):
        self.test, self.fleet, self.told = test, fleet, told  # `told` goes with every complaint: the seed

    def like(self, sweep, alone):
        """The runs ended as those of a sweep that nothing disturbed."""
        found = outcome(self.fleet, sweep)
        self.test.assertEqual(found.keys(), alone.keys(), self.told)
        for name, what in found.items():
            for part, value in what.items():
                self.test.assertEqual(value, alone[name][part], f"{self.told}: {part} of {sweep}/{name}")

    def streams(self, but=()):
        """Of every attempt the database holds what a prefix of its own file says: no point lost, doubled or foreign."""
        stored = collections.defaultdict(dict)
        for row in self.fleet.rows("SELECT m.run, m.attempt, k.name, m.step, m.value FROM metric m"
                                   " JOIN metric_key k ON k.id = m.key"):
            stored[row["run"], row["attempt"]][row["name"], row["step"]] = row["value"]
        for attempt in self.fleet.attempts():
            if attempt["name"] in but:
                continue
            about = f"{self.told}: {attempt['name']} e{attempt['epoch']}"
            folder = self.fleet.run_dir(attempt["uid"], attempt["epoch"])
            events = self.prefix(folder / "events.jsonl", attempt["event_bytes"], about)
            self.test.assertTrue(events[-1:] in (b"", b"\n"), about)
            self.test.assertEqual(stored[attempt["run"], attempt["epoch"]], points_of(events, about), about)
            log = self.prefix(folder / "trainer.log", attempt["log_bytes"], about)
            kept = self.fleet.store / "logs" / attempt["uid"] / f"{attempt['epoch']}.log"
            if log:
                self.test.assertEqual(kept.read_bytes()[:len(log)], log, about)

    def prefix(self, file, size, about):
        if not size:
            return b""
        content = file.read_bytes()
        self.test.assertGreaterEqual(len(content), size, f"{about}: more is stored than {file.name} holds")
        return content[:size]

    def database(self):
        self.test.assertEqual([row[0] for row in self.fleet.rows("PRAGMA integrity_check")], ["ok"], self.told)
        self.test.assertEqual(self.fleet.rows("PRAGMA foreign_key_check"), [], self.told)

    def checkpoints(self):
        """Every one that the coordinator counts on is whole."""
        for row in self.fleet.rows("SELECT r.uid, c.epoch, c.path FROM checkpoint c JOIN run r ON r.id = c.run"
                                   " WHERE c.doomed = 0"):
            self.test.assertIsNone(fault_of(self.fleet.run_dir(row["uid"], row["epoch"]) / row["path"]), self.told)

    def at_rest(self):
        """All is done: one attempt a run succeeded, none is open, no trainer is left."""
        ends = collections.defaultdict(list)
        for attempt in self.fleet.attempts():
            ends[attempt["uid"]].append(attempt["end"])
        for uid, found in ends.items():
            self.test.assertEqual(found.count("succeeded"), 1, f"{self.told}: {uid} {found}")
            self.test.assertNotIn(None, found, f"{self.told}: {uid} {found}")
        until(lambda: not self.fleet.trainers(), 15,
              lambda: f"{self.told}: no trainer is left; now {self.fleet.trainers()}")

    def everything(self, but=()):
        self.at_rest()
        self.streams(but)
        self.checkpoints()
        self.database()
