"""A whole session, from `up` to the dashboard: no token, cookie or login is left where others may find it.

The login address is printed for the person who starts the program, and two kinds of file hold secrets for one user
alone: those of a start (token, coordinator.ready) and those a worker needs to find its trainers again.
"""
import contextlib
import json
import os
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from by_hand import Worker  # noqa: E402
from chromium import await_in, chromium_of  # noqa: E402
from home import Home, small_sweep, until, workshop  # noqa: E402

PRIVATE = re.compile(r"token|worker-token|coordinator\.ready|worker[^/]*/.*\.json")  # of the home folder


def family(pid):
    """The process and all that descend from it."""
    parents = {}
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue  # It has just ended.
    found = [pid]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def program(pid):
    return pathlib.Path(os.readlink(f"/proc/{pid}/exe")).name


class Secrets(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shop = workshop()
        base = shop.__enter__()
        cls.addClassCleanup(shop.__exit__, None, None, None)
        cls.home = Home(base / "home", base / "tiny", base / "mini")
        cls.home.printed = open(base / "printed", "wb")
        cls.addClassCleanup(cls.home.printed.close)
        cls.home.up()
        cls.addClassCleanup(cls.home.down)
        cls.home.submit("watched", small_sweep(base, "watched", 5000, "  by-hand: {train.steps: 6000}\n"))
        cls.home.await_step("target", 1)
        cls.worker = Worker(cls.home)
        cls.worker.lease()
        cls.worker.log("a line\n")
        cls.worker.say({"type": "warning", "message": "a word"})
        cls.login = (base / "printed").read_text().split()[-1]
        cls.visit(chromium_of(cls))
        cls.home.cli("backup")
        cls.secrets = cls.collect()

    @classmethod
    def visit(cls, browser):
        """Every page, with all that the browser was shown and asked for."""
        cls.context = browser.new_context()
        page, cls.seen = cls.context.new_page(), []
        cls.context.on("request", lambda request: cls.seen.append(request.url))
        page.goto(cls.login)
        for place in ("/", "/queue", "/sweep/watched", f"/run/{cls.home.run('target')['id']}"):
            page.evaluate("place => { location.hash = place; }", place)
            await_in(page, "document.querySelector('main .card') && document.querySelector('#pulse').textContent === 'live'")
            cls.seen += [page.url, page.content(), page.evaluate("document.cookie + JSON.stringify([{...localStorage}, {...sessionStorage}])")]
        cls.csrf = page.evaluate("async () => (await (await fetch('/api/v1/session')).json()).csrf")

    @classmethod
    def collect(cls):
        tokens = {name: (cls.home.folder / name).read_text().strip() for name in ("token", "worker-token")}
        found = tokens | {f"the secret of {name}": token.split(".")[1] for name, token in tokens.items()}
        record = next(cls.home.folder.glob("worker-*/attempts/*.json"))
        found["a worker's grant"] = json.loads(record.read_text())["key"]["grant_token"]
        found["a grant by hand"] = cls.worker.key["grant_token"]
        found["login"] = cls.login.split("=")[1]
        found["unused login"] = cls.home.cli("login").strip().split("=")[1]
        found["cookie"] = next(one["value"] for one in cls.context.cookies() if one["name"] == "sarsweep_session")
        found["csrf"] = cls.csrf
        assert all(len(secret) >= 32 for secret in found.values()), {name: len(secret) for name, secret in found.items()}
        return {name: secret.encode() for name, secret in found.items()}

    def names_in(self, data):
        return [name for name, secret in self.secrets.items() if secret in data]

    def test_1_no_process_shows_one(self):
        pids = family(self.home.process.pid)
        self.assertLessEqual({"sarsweep", "sarsweep-coordinator", "sarsweep-worker", "sarsweep-trainer"}, set(map(program, pids)))
        for pid in pids:
            for what in ("cmdline", "environ"):
                self.assertEqual(self.names_in(pathlib.Path(f"/proc/{pid}/{what}").read_bytes()), [], f"{what} of {program(pid)}")

    def test_2_no_page_and_no_address_holds_one(self):
        for text in self.seen:
            if text != self.login:
                self.assertEqual(self.names_in(text.encode()), [], text[:300])
        self.assertGreater(len(self.seen), 30)

    def test_3_no_file_holds_one_but_what_its_owner_alone_can_read(self):
        held = {}
        for folder, _, names in os.walk(self.home.folder):
            for file in filter(pathlib.Path.is_file, (pathlib.Path(folder, name) for name in names)):
                with contextlib.suppress(FileNotFoundError):  # of a checkpoint that had its day
                    held[str(file.relative_to(self.home.folder))] = self.names_in(file.read_bytes())
        for name, names in held.items():
            if PRIVATE.fullmatch(name):
                self.assertEqual((self.home.folder / name).stat().st_mode & 0o077, 0, name)
            else:
                self.assertEqual(names, [], name)
        self.assertLessEqual({"sarsweep.db", "up.log", "token"}, held.keys())
        self.assertEqual([name for name in held if name.startswith("backups/") and held[name]], [])
        print(f"{len(self.secrets)} secrets, {len(held)} files, {len(self.seen)} addresses and pages")

    def test_4_what_is_printed_is_the_login_alone(self):
        printed = pathlib.Path(self.home.printed.name).read_bytes()
        self.assertEqual(self.names_in(printed), ["login"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
