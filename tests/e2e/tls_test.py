"""A coordinator behind a proxy that speaks TLS: people and workers reach it by https:// alone, and trust only whom they
were told to."""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from home import BIN, Home, until
from tls_proxy import TlsProxy, make_certificates

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "chaos"))
from fleet import STAND_IN, Process, sweep_text  # noqa: E402

UNREACHABLE = 7


@unittest.skipUnless(shutil.which("openssl"), "there is no openssl to make certificates with")
class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(cls.enterClassContext(tempfile.TemporaryDirectory(prefix="sarsweep-tls-")))
        (cls.base / "keys").mkdir()
        cls.ca, certificate, key = make_certificates(cls.base / "keys", "localhost", "sar.example")
        cls.proxy = TlsProxy(certificate, key)
        cls.addClassCleanup(cls.proxy.close)
        cls.url = f"https://localhost:{cls.proxy.port}"
        cls.home = Home(cls.base / "home", None, None)
        cls.home.start("serve", "--port", "0", "--data-port", "0", "--public-url", cls.url)
        cls.addClassCleanup(cls.home.down)
        ready = cls.home.ready()
        cls.proxy.control, cls.proxy.data = (int(ready[key].rsplit(":", 1)[1]) for key in ("url", "data_url"))

    def sarsweep(self, *words, url=None, ca="", code=0):
        ca = ["--ca", ca or self.ca] if ca is not None else []
        done = subprocess.run([BIN / "sarsweep", *words, "--home", self.home.folder, "--url", url or self.url, *ca],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_1_the_whole_way_of_a_run_is_over_tls(self):
        file = self.base / "over-tls.yaml"
        file.write_text(sweep_text("over-tls", 2))
        self.assertIn(f"{self.url}/#/sweep/over-tls", self.sarsweep("submit", file))
        worker = Process("w", [BIN / "sarsweep-worker", "--url", self.url, "--ca", self.ca, "--token-file",
                               self.home.folder / "worker-token", "--home", self.base / "w", "--name", "w", "--trainer",
                               STAND_IN, "--workers", "1"], self.base / "w.log").start()
        self.addCleanup(worker.stop)

        def done():
            runs = json.loads(self.sarsweep("ls", "@over-tls", "-o", "json"))
            return all(run["state"] == "done" for run in runs)
        until(done, 120, lambda: (self.base / "w.log").read_text())
        paths = {path.split("?")[0] for path, _ in self.proxy.requests}
        for path in ("/api/v1/sweeps", "/api/v1/workers/lease", "/api/v1/data/events", "/api/v1/data/log"):
            self.assertIn(path, paths)
        self.assertTrue(any(path.startswith("/api/v1/data/artifacts/") for path in paths), paths)
        self.assertEqual({host for _, host in self.proxy.requests}, {f"localhost:{self.proxy.port}"})

    def test_2_a_stranger_is_not_spoken_to(self):
        before = len(self.proxy.requests)
        unknown = self.sarsweep("ls", ca=None, code=UNREACHABLE)
        self.assertIn("its certificate is not trusted", unknown)
        self.assertIn("--ca FILE", unknown)
        other = self.sarsweep("ls", url=f"https://127.0.0.1:{self.proxy.port}", code=UNREACHABLE)
        self.assertIn("the host as the certificate does", other)
        (self.base / "others").mkdir()
        strangers, _, _ = make_certificates(self.base / "others", "localhost")
        self.assertIn("not trusted", self.sarsweep("ls", ca=strangers, code=UNREACHABLE))
        self.assertEqual(len(self.proxy.requests), before, "the token went to nobody")

    def test_3_mistakes_say_what_to_do(self):
        self.assertIn("cannot read the certificates in", self.sarsweep("ls", ca="/nowhere.pem", code=5))
        plain = self.home.ready()["url"].replace("http://", "https://")
        self.assertIn("does not speak TLS", self.sarsweep("ls", url=plain, code=UNREACHABLE))
        for words, said in ((["--host", "0.0.0.0"], "--behind-proxy"),
                            (["--public-url", "sar.example"], "write https://HOST"),
                            (["--public-url", "https://sar.example", "--no-auth"], "for this machine alone")):
            refused = subprocess.run([BIN / "sarsweep-coordinator", "--home", self.base / "other", *words],
                                     capture_output=True, text=True)
            self.assertEqual(refused.returncode, 2, refused.stderr)
            self.assertIn(said, refused.stderr)

    def test_4_another_address_is_open_behind_a_proxy(self):
        home = Home(self.base / "wide", None, None)
        home.start("serve", "--port", "0", "--data-port", "0", "--host", "0.0.0.0", "--behind-proxy", "--public-url",
                   self.url)
        self.addCleanup(home.down)
        control, data = self.proxy.control, self.proxy.data
        self.addCleanup(lambda: setattr(self.proxy, "control", control) or setattr(self.proxy, "data", data))
        self.proxy.control, self.proxy.data = (int(home.ready()[key].rsplit(":", 1)[1]) for key in ("url", "data_url"))
        done = subprocess.run([BIN / "sarsweep", "ls", "-o", "json", "--home", home.folder], capture_output=True, text=True,
                              env=dict(os.environ, SARSWEEP_URL=self.url, SARSWEEP_CA=str(self.ca)))
        self.assertEqual((done.returncode, done.stdout.strip()), (0, "[]"), done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
