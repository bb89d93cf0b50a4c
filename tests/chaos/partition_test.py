"""Workers in network namespaces of their own, cut off from the coordinator and let back: whoever was replaced meanwhile
is fenced and kills its trainer, whoever was not goes on, and lost, doubled and late messages change no result.

    SARSWEEP_SEED=1 SARSWEEP_LOSSES=4 python3 tests/chaos/partition_test.py
"""
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest

from audit import Audit, outcome
from fleet import Fleet, Process, sweep_text
from home import until

SEED = int(os.environ.get("SARSWEEP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
LOSSES = int(os.environ.get("SARSWEEP_LOSSES", "1"))  # sweeps over lossy links
RELAY = pathlib.Path(__file__).with_name("relay.py")
INSIDE = "SARSWEEP_IN_NAMESPACE"
LONG_STEPS = 400


def in_namespace():
    """What stands before a command that gets a network of its own; it goes with the last of its processes."""
    return ["unshare", "--map-root-user", "--net"]


def can_partition():
    probe = "ip link add name here0 type veth peer name there && ip link set lo up"
    try:
        return subprocess.run([*in_namespace(), "sh", "-c", probe], capture_output=True).returncode == 0
    except FileNotFoundError:
        return False


def ip(*words):
    subprocess.run(["ip", *map(str, words)], check=True)


class Link:
    """A namespace for one worker, a cable to it, and relays at both ends: 127.0.0.1 there is 127.0.0.1 here."""

    def __init__(self, number, folder):
        self.number, self.folder = number, folder
        self.here, self.there = f"10.77.{number}.1", f"10.77.{number}.2"
        self.holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
        own = os.readlink("/proc/self/ns/net")
        until(lambda: os.readlink(f"/proc/{self.holder.pid}/ns/net") != own, 10, "the namespace is there")
        self.enter = ["nsenter", f"--net=/proc/{self.holder.pid}/ns/net"]
        ip("link", "add", "name", f"here{number}", "type", "veth", "peer", "name", "there", "netns", self.holder.pid)
        ip("address", "add", f"{self.here}/24", "dev", f"here{number}")
        ip("link", "set", f"here{number}", "up")
        for words in (["address", "add", f"{self.there}/24", "dev", "there"], ["link", "set", "there", "up"],
                      ["link", "set", "lo", "up"]):
            subprocess.run([*self.enter, "ip", *words], check=True)
        self.relays = []

    def connect(self, ports, *faults):
        for name, prefix, pairs in (
                ("near", [], [f"{self.here}:{port}=127.0.0.1:{port}" for port in ports]),
                ("far", self.enter, [f"127.0.0.1:{port}={self.here}:{port}" for port in ports])):
            log = self.folder / f"relay-{self.number}-{name}.log"
            extra = faults if name == "far" else ()
            self.relays.append(Process(name, [sys.executable, RELAY, *pairs, *extra], log, prefix).start())
            until(lambda: "listening" in log.read_text(), 10, f"{log} says that it listens")

    def cut(self):
        ip("link", "set", f"here{self.number}", "down")

    def heal(self):
        ip("link", "set", f"here{self.number}", "up")

    def close(self):
        for process in self.relays:
            process.stop()
        ip("link", "delete", f"here{self.number}")  # Its namespace takes its time to go.
        self.holder.kill()
        self.holder.wait()


class Partition(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-partition-")
        self.addCleanup(folder.cleanup)
        self.base = pathlib.Path(folder.name)

    def fleet(self, workers, *faults, **options):
        """A coordinator here, and each worker behind a link."""
        links = [Link(number, self.base) for number in range(workers)]
        for link in links:
            self.addCleanup(link.close)
        fleet = Fleet(self.base, workers, prefixes={f"w{link.number}": link.enter for link in links}, **options)
        self.addCleanup(fleet.down)
        fleet.start_coordinator()
        for link in links:
            link.connect(fleet.ports, *faults)
        return fleet, links

    def attempt(self, fleet, epoch):
        found = [attempt for attempt in fleet.attempts() if attempt["epoch"] == epoch]
        return found[0] if found else None

    def await_stored(self, fleet, epoch):
        until(lambda: (self.attempt(fleet, epoch) or {"event_bytes": 0})["event_bytes"] > 0, 30,
              f"the coordinator has events of attempt {epoch}")

    def test_a_worker_that_was_replaced_is_fenced_and_kills_its_trainer(self):
        fleet, links = self.fleet(2, step_ms=30)
        fleet.start_worker("w0")
        fleet.submit(sweep_text("cut", 0, steps=LONG_STEPS, every=20))
        self.await_stored(fleet, 1)
        links[0].cut()
        fleet.start_worker("w1")
        self.await_stored(fleet, 2)
        before = self.attempt(fleet, 1)
        self.assertEqual(before["end"], "lost")
        stale = fleet.run_dir(before["uid"], 1)
        self.assertTrue(fleet.trainers(stale), "who is cut off trains on")
        size = (stale / "events.jsonl").stat().st_size
        until(lambda: (stale / "events.jsonl").stat().st_size > size, 10, "and writes on")
        links[0].heal()
        until(lambda: not fleet.trainers(stale), 30, "the worker is fenced and kills its trainer")
        fleet.await_done("cut")
        self.assertEqual([row["end"] for row in fleet.attempts()], ["lost", "succeeded"])
        self.assertEqual(dict(self.attempt(fleet, 1)), dict(before), "nothing more was accepted of it")
        self.assertGreater((stale / "events.jsonl").stat().st_size, before["event_bytes"], "though there was more")
        Audit(self, fleet, "replaced").everything()

    def test_a_worker_that_nobody_replaced_goes_on_after_its_lease_was_lost(self):
        fleet, links = self.fleet(1, step_ms=30)
        fleet.start_worker("w0")
        fleet.submit(sweep_text("alone", 0, steps=LONG_STEPS, every=20))
        self.await_stored(fleet, 1)
        links[0].cut()
        until(lambda: self.attempt(fleet, 1)["end"] == "lost", 30, "the lease is lost")
        links[0].heal()
        fleet.await_done("alone")
        self.assertEqual([row["end"] for row in fleet.attempts()], ["succeeded"])
        Audit(self, fleet, "back").everything()

    def test_lost_doubled_and_late_messages_change_no_result(self):
        fleet, _ = self.fleet(2, "--faults", 0.3, "--seed", SEED)
        for name in fleet.names:
            fleet.start_worker(name)
        fleet.submit(sweep_text("lossy-0", 5))
        fleet.await_done("lossy-0", timeout=300)
        for number in range(1, LOSSES):
            fleet.submit(sweep_text(f"lossy-{number}", 5))
            fleet.await_done(f"lossy-{number}", timeout=300)
        undisturbed = Fleet(self.base / "undisturbed", 2).up()
        self.addCleanup(undisturbed.down)
        undisturbed.submit(sweep_text("sound", 5))
        undisturbed.await_done("sound")
        audit = Audit(self, fleet, f"seed {SEED}")
        for number in range(LOSSES):
            audit.like(f"lossy-{number}", outcome(undisturbed, "sound"))
        audit.everything()
        print(f"summary: {LOSSES} sweeps over links that lose, double or delay 3 of 10 messages: as if nothing had "
              f"happened (seed {SEED})", flush=True)


if __name__ == "__main__":
    if os.environ.get(INSIDE):
        ip("link", "set", "lo", "up")
        unittest.main(verbosity=2)
    elif not can_partition():
        print("skipped: no network namespace can be made here (it takes root, or unprivileged user namespaces)")
    else:
        command = [*in_namespace(), sys.executable, "-u", __file__, *sys.argv[1:]]
        os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})
