"""`sarsweep backup` and `restore` as an operator meets them, mistakes included."""
import subprocess
import unittest

from home import BIN, coordinator_of

SWEEP = """version: 1
sweep: two
base:
  model.path: models/tiny
  data: {path: data/mini, resolution: 64}
  train: {steps: 10}
runs:
  one: {}
  other: {unet.mode: lora}
"""


class Backup(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = coordinator_of(cls)
        cls.home.submit("two", SWEEP)

    def sarsweep(self, *arguments):
        return subprocess.run([BIN / "sarsweep", *map(str, arguments), "--home", self.home.folder],
                              capture_output=True, text=True, cwd=self.home.folder, stdin=subprocess.DEVNULL)

    def test_what_was_backed_up_comes_back(self):
        copy = self.home.folder / "elsewhere" / "copy.db"
        copy.parent.mkdir()
        made = self.sarsweep("backup", copy)
        print(made.stdout + made.stderr, flush=True)
        self.assertEqual((made.returncode, made.stdout.strip()), (0, str(copy)))
        self.assertIn("runs 2", made.stderr)
        self.assertEqual(list(copy.parent.iterdir()), [copy])
        again = self.sarsweep("backup", copy)
        self.assertEqual(again.returncode, 6)
        self.assertIn("choose another name", again.stderr)

        self.home.cli("cancel", "two/one")
        running = self.sarsweep("restore", copy, "-y")
        self.assertNotEqual(running.returncode, 0)
        self.assertIn("another coordinator uses", running.stderr)
        self.home.down()
        unasked = self.sarsweep("restore", copy)
        self.assertEqual(unasked.returncode, 2)
        self.assertIn("-y", unasked.stderr)
        foreign = self.sarsweep("restore", self.home.folder / "token", "-y")
        self.assertEqual(foreign.returncode, 2)
        self.assertIn("is not a whole database", foreign.stderr)
        restored = self.sarsweep("restore", copy, "-y")
        print(restored.stdout + restored.stderr, flush=True)
        self.assertEqual(restored.returncode, 0, restored.stderr)
        self.assertIn("undo: sarsweep restore", restored.stdout)
        self.home.up(workers=0)
        self.assertEqual([run["state"] for run in self.home.document("ls")], ["queued", "queued"])

    def test_without_a_name_it_lies_in_the_home_folder(self):
        made = self.home.document("backup")
        self.assertTrue(made["file"].startswith(str(self.home.folder / "backups" / "sarsweep-")))


if __name__ == "__main__":
    unittest.main(verbosity=2)
