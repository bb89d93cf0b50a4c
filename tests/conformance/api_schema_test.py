"""schemathesis against a live `sarsweep serve`: openapi.yaml and the server say the same.

SARSWEEP_EXAMPLES sets how many requests it makes up for each operation and phase, SARSWEEP_SEED which ones.
"""
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from by_hand import Worker  # noqa: E402
from home import Home  # noqa: E402

EXAMPLES = int(os.environ.get("SARSWEEP_EXAMPLES", 20))
SEED = int(os.environ.get("SARSWEEP_SEED", 1))
SCHEMA = ROOT / "schema/protocol/openapi.yaml"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)

# The HTTP library answers 400 to methods it has never heard of, such as QUERY; so do we to a GET with a body.
# Wrong tokens are counted against the address (429): EveryRouteAsksForItsRole has the matrix of rights.
# A valid sweep source may hold a sweep that is not, and a worker without its grant is fenced.
CONFIG = """
headers = {{ Authorization = "Bearer ${{SARSWEEP_TOKEN}}"{header} }}
generation.max-examples = {examples}
phases.coverage.unexpected-methods = ["DELETE", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]
{parameters}
[checks]
ignored_auth.enabled = false
missing_required_header.expected-statuses = [400, 409]
negative_data_rejection.expected-statuses = [400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 429]
positive_data_acceptance.expected-statuses = ["2xx", "3xx", 401, 403, 404, 409, 422]
"""

SWEEP = """version: 1
sweep: seeded
description: rows for every page
base: {model.path: none, data.path: none, train.steps: 4}
runs: {done: {}, held: {train.steps: 5}, waits: {train.steps: 6}, child: {parent: waits, train.steps: 7}}
"""


def seed(home):
    """A run that is done with everything a run can have, one that is held, some that wait; the held one's worker."""
    home.submit("seeded", SWEEP)
    worker = Worker(home)
    run = worker.lease("1")["key"]["run_id"]
    picture, result = worker.upload(PNG), worker.upload(b'{"kl_pooled": 1}')
    worker.say({"type": "progress", "step": 4, "total_steps": 4}, {"type": "stage", "name": "train"},
               {"type": "metrics", "step": 4, "values": {"train/loss": 1.5, "eval/kl_pooled": 0.5, "odd": "nan"}},
               {"type": "sample", "step": 4, "file": "samples/0.png", "prompt": "p", "seed": 0, "bytes": 72, "sha256": picture},
               {"type": "eval", "step": 4, "protocol_hash": "h", "file": "eval/result.json", "bytes": 16, "sha256": result},
               {"type": "warning", "message": "a word"}, {"type": "end", "exit_code": 0})
    worker.log("trained\n")
    assert worker.finish()["state"] == "done"
    worker.lease("2")
    return run, picture, worker


class ApiSchema(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="sarsweep-schema-")
        cls.addClassCleanup(folder.cleanup)
        cls.home = Home(pathlib.Path(folder.name) / "home", None, None)
        cls.home.start("serve", "--port", "0", "--data-port", "0", "--lease", "86400")
        cls.addClassCleanup(cls.home.down)
        cls.run_id, cls.picture, cls.worker = seed(cls.home)
        cls.cases = 0
        print(f"seed {SEED}, {EXAMPLES} examples")

    def judge(self, who, *selection, to="url", parameters=None, header=""):
        """Runs schemathesis over the selected operations, in the name of a token file."""
        lines = "".join(f"{key} = {json.dumps(value)}\n" for key, value in (parameters or {}).items())
        config = self.home.folder / "schemathesis.toml"
        config.write_text(CONFIG.format(examples=EXAMPLES, header=header,
                                        parameters=f"[parameters]\n{lines}" if lines else ""))
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "--config-file", config, "--no-color", "run", SCHEMA, "--url",
             self.home.ready()[to], "--seed", str(SEED), "--warnings", "off", *selection],
            env=os.environ | {"SARSWEEP_TOKEN": (self.home.folder / who).read_text().strip()},
            cwd=self.home.folder, capture_output=True, text=True)
        found = re.search(r"^  (\d+) generated", done.stdout, re.MULTILINE)
        self.assertTrue(found and int(found[1]), done.stdout + done.stderr)
        self.assertEqual(done.returncode, 0, done.stdout[-20000:] + done.stderr)
        type(self).cases += int(found[1])

    def test_1_what_people_may_ask(self):
        self.judge("token", "--exclude-by", "/x-role == worker")

    def test_2_what_people_ask_of_things_that_are_there(self):
        self.judge("token", "--include-method", "GET", parameters={
            "path.id": self.run_id, "path.name": "seeded", "path.sha256": self.picture, "query.sweep": "seeded"})

    def test_3_what_workers_ask_the_coordinator(self):
        self.judge("worker-token", "--include-path-regex", "^/api/v1/workers/[a-z]+$")

    def test_4_what_the_holder_of_a_lease_sends(self):
        key = self.worker.key
        self.judge("worker-token", "--include-by", "/x-listener == data", to="data_url",
                   header=f", X-Sarsweep-Grant = {json.dumps(key['grant_token'])}",
                   parameters={"query.run_id": key["run_id"], "query.lease_epoch": key["lease_epoch"]})

    def test_5_the_coordinator_is_none_the_worse(self):
        self.assertEqual(self.home.run("seeded/done")["state"], "done")
        self.assertEqual(self.home.process.poll(), None)
        print(f"summary: {self.cases} requests conform")


if __name__ == "__main__":
    unittest.main(verbosity=2)
