"""Names that try to leave their folder, in every field of the API that takes a name: nothing outside is read or written."""
import json
import os
import pathlib
import secrets
import sys
import unittest
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from by_hand import Api, Worker  # noqa: E402
from home import coordinator_of  # noqa: E402

MARK = "canary-" + secrets.token_hex(16)  # what the canary files hold, and the coordinator's environment
PLANTED = b"planted-" + secrets.token_hex(16).encode()


def escaped(text, only=None):
    return "".join(f"%{ord(c):02x}" if only is None or c in only else c for c in text)


# How a name is spelled in a URL so that some reader, somewhere, takes it for the plain one.
SPELLINGS = {
    "plain": lambda name: name,
    "escaped": escaped,
    "escaped slashes": lambda name: escaped(name, "/"),
    "escaped dots": lambda name: escaped(name, "."),
    "escaped twice": lambda name: escaped(name, "./").replace("%", "%25"),
    "escaped three times": lambda name: escaped(name, "./").replace("%", "%2525"),
    "backslashes": lambda name: name.replace("/", "\\"),
    "escaped backslashes": lambda name: name.replace("/", "%5c"),
    "dots of two bytes": lambda name: name.replace("..", "%c0%ae%c0%ae"),
    "slashes of two bytes": lambda name: name.replace("/", "%c0%af"),
    "dots of three bytes": lambda name: name.replace("..", "%e0%80%ae%e0%80%ae"),
    "wide dots": lambda name: name.replace("..", "%ef%bc%8e%ef%bc%8e"),
    "wide slashes": lambda name: name.replace("/", "%ef%bc%8f"),
    "percent u": lambda name: name.replace("..", "%u002e%u002e").replace("/", "%u2215"),
    "more dots": lambda name: name.replace("../", "....//"),
    "with parameters": lambda name: name.replace("../", "..;x=1/"),
    "with a NUL": lambda name: name + "%00",
    "with a NUL and an ending": lambda name: name + "%00.png",
    "a raw NUL": lambda name: name + "\0.png",
    "with line breaks": lambda name: name.replace("../", "..%0a/"),
    "here and up": lambda name: name.replace("../", "./../"),
    "double slashes": lambda name: name.replace("/", "//"),
    "from an object": lambda name: "a" * 64 + "/" + name,
    "long": lambda name: "x/../" * 80 + name,
    "longer": lambda name: "x/../" * 2000 + name,
}

READS = ["/{}", "/api/v1/artifacts/{}", "/api/v1/sweeps/{}", "/api/v1/runs/{}", "/api/v1/runs/{}/log", "/api/v1/runs/{}/eval",
         "/api/v1/runs/RUN/{}", "/api/v1/runs?selector={}", "/api/v1/runs?after={}", "/api/v1/leaderboard?sweep={}",
         "/api/v1/fields?field={}", "/api/v1/runs/RUN/metrics?key={}", "/api/v1/runs/RUN/log?offset={}"]


def places(canary):
    """Where the canary lies as seen from the folders of a coordinator, and files every system has."""
    files = [canary.name, "etc/passwd", "proc/self/environ"]
    climbs = ["../" * depth + file for file in files for depth in range(1, 8)]
    return climbs + [str(canary), "/etc/passwd", "/proc/self/environ", "file://" + str(canary), "~/" + canary.name]


def sweep(name, **base):
    return json.dumps({"version": 1, "sweep": name, "base": {"model.path": "m", "data.path": "d"} | base,
                       "runs": {"one": {}, "two": {"train.steps": 7}}})


class Traversal(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["SARSWEEP_TEST_MARK"] = MARK
        cls.home = coordinator_of(cls)
        cls.outside, cls.store = cls.home.folder.parent, cls.home.folder / "store"
        cls.canary = cls.outside / "canary.txt"
        cls.canary.write_text(MARK)
        cls.api = Api(cls.home)
        assert cls.api.post("/api/v1/sweeps", {"text": sweep("held")}).status == 200
        cls.worker = Worker(cls.home)
        cls.run_id = cls.worker.lease()["key"]["run_id"]
        cls.names = [spell(place) for spell in SPELLINGS.values() for place in places(cls.canary)]
        assert len(set(cls.names)) >= 500
        print(f"{len(set(cls.names))} names, {len(READS)} places that read")

    def setUp(self):
        self.before = self.files()

    def tearDown(self):
        self.assertEqual(self.canary.read_text(), MARK, "the canary was written")
        self.assertEqual(self.files(), self.before, "files came or went")

    def files(self):
        """All files of this test but the logs of the run that is held and what SQLite keeps beside its database."""
        return {path for path in self.outside.rglob("*") if not path.name.startswith("sarsweep.db") and "logs" not in path.parts}

    def harmless(self, answer, about):
        for mark in (MARK.encode(), b"root:x:0:0"):
            self.assertNotIn(mark, answer.body, about)
        self.assertTrue(answer.status < 500, (about, answer))

    def test_1_nothing_is_read_by_a_name(self):
        for place in READS:
            for name in self.names:
                target = place.replace("RUN", self.run_id).format(name)
                self.harmless(self.api.get(target), target)

    def test_2_nothing_is_uploaded_to_a_name(self):
        for name in self.names:
            answer = self.worker.data("PUT", self.worker.data_target(f"artifacts/{name}"), PLANTED)
            self.harmless(answer, name)
            self.assertNotEqual(answer.status, 200, name)

    def test_3_nothing_is_appended_to_a_name(self):
        for stream in ("log", "events"):
            for name in self.names:
                answer = self.worker.data("POST", f"/api/v1/data/{stream}?run_id={name}&lease_epoch=1&offset=0", PLANTED + b"\n")
                self.harmless(answer, name)
                self.assertNotEqual(answer.status, 200, name)

    def test_4_names_in_bodies_are_only_text(self):
        for name in map(urllib.parse.unquote, self.names):
            key = {"run_id": name, "lease_epoch": 1, "grant_token": self.worker.key["grant_token"]}
            bodies = {"workers/register": {"name": name[:200], "incarnation": name[:200], "host": name, "slots": [{"index": 0, "device": name}]},
                      "workers/started": key,
                      "workers/finish": {"key": key, "exit_code": 0, "event_bytes": 0, "log_bytes": 0}}
            for path, body in bodies.items():
                self.harmless(self.worker.api.post(f"/api/v1/{path}", body), name)
            asked = self.worker.data("POST", "/api/v1/data/missing", {"run_id": self.run_id, "lease_epoch": 1, "sha256": [name]})
            self.harmless(asked, name)
            self.assertEqual(asked.status, 400, name)

    def test_5_a_sweep_reads_nothing_of_the_coordinator(self):
        for name in map(urllib.parse.unquote, self.names):
            source = {"file": name, "dir": name, "cwd": name, "files": {name: MARK[:6]}}
            self.harmless(self.api.post("/api/v1/plan", {"text": sweep("x", **{"samples.prompts": name}), **source}), name)
            named = self.api.post("/api/v1/sweeps", {"text": sweep(name), **source})
            self.harmless(named, name)
            self.assertEqual(named.status, 422, name)

    def test_6_what_a_worker_names_stays_in_its_folder(self):
        run = self.worker.key["run_id"]
        for number, name in enumerate(map(urllib.parse.unquote, self.names)):
            self.worker.say({"type": "checkpoint", "step": number, "path": name, "manifest_sha256": "0" * 64},
                            {"type": "sample", "step": 1, "file": name, "sha256": "0" * 64},
                            {"type": "eval", "step": 1, "protocol_hash": "p", "file": name, "sha256": "0" * 64},
                            {"type": "sample", "step": 1, "file": "0.png", "sha256": name})
        named = [one["file"] for one in self.api.get(f"/api/v1/runs/{run}/samples").json()]
        resume = self.resumed()
        folder = f"{self.store}/runs/{run}/e1/"
        for name in [folder + one for one in named] + resume:
            self.assertTrue(os.path.normpath(name).startswith(folder), name)
        print(f"{len(named)} of {len(self.names)} names are plain ones beneath the folder of the attempt")

    def resumed(self):
        """The checkpoints that the next attempt is offered."""
        for verb in ("kill", "resume"):
            self.assertEqual(self.api.post(f"/api/v1/runs/{self.run_id}/{verb}").status, 200)
        grant = self.worker.lease("2")
        self.assertEqual(grant["key"]["run_id"], self.run_id)
        return [one["checkpoint"] for one in grant["run_json"]["resume"]]


class Links(unittest.TestCase):
    """Symbolic links that somebody with access to the store has put in the way."""

    def setUp(self):
        self.home = coordinator_of(type(self))
        self.canary = self.home.folder.parent / "canary.txt"
        self.canary.write_text(MARK)
        self.api = Api(self.home)
        self.assertEqual(self.api.post("/api/v1/sweeps", {"text": sweep("held")}).status, 200)
        self.worker = Worker(self.home)
        self.run_id = self.worker.lease()["key"]["run_id"]
        self.log_file = self.home.folder / f"store/logs/{self.run_id}/1.log"

    def tearDown(self):
        self.assertEqual(self.canary.read_text(), MARK, "the canary was written")

    def link(self, place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(self.canary)

    def test_an_object_that_is_a_link_is_not_there(self):
        self.link(self.home.folder / f"store/objects/aa/{'a' * 64}")
        answer = self.api.get(f"/api/v1/artifacts/{'a' * 64}")
        self.assertEqual((answer.status, MARK.encode() in answer.body), (404, False))

    def test_a_result_that_is_a_link_is_not_read(self):
        digest = self.worker.upload(b'{"kl_pooled": 1}')
        self.worker.say({"type": "eval", "step": 1, "protocol_hash": "p", "file": "result.json", "sha256": digest})
        self.link(self.home.folder / f"store/objects/{digest[:2]}/{digest}")
        self.canary.write_text(json.dumps(MARK))
        answer = self.api.get(f"/api/v1/runs/{self.run_id}/eval")
        self.canary.write_text(MARK)
        self.assertNotIn(MARK.encode(), answer.body)

    def test_a_log_that_is_a_link_is_not_written(self):
        self.link(self.log_file)
        self.worker.data("POST", self.worker.data_target("log", offset=0), PLANTED)

    def test_a_log_that_is_a_link_is_not_read(self):
        self.worker.log("x" * 200)
        self.link(self.log_file)
        self.assertNotIn(MARK.encode(), self.api.get(f"/api/v1/runs/{self.run_id}/log").body)

    def test_a_folder_of_logs_that_is_a_link_gets_no_file(self):
        elsewhere = self.home.folder.parent / "elsewhere"
        elsewhere.mkdir()
        self.log_file.parent.parent.mkdir(parents=True, exist_ok=True)
        self.log_file.parent.symlink_to(elsewhere)
        self.worker.data("POST", self.worker.data_target("log", offset=0), PLANTED)
        self.assertEqual(list(elsewhere.iterdir()), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
