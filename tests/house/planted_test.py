"""The house rules notice what they are there for: each fault is planted into a copy of the sources, and
the tidy test or script/lint has to fail and name it.

planted_test.py TIDY_TEST; exits 0 if every planted fault is found and the copy alone passes."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

TIDY_TEST = sys.argv[1]
SOURCE = pathlib.Path(__file__).resolve().parents[2]
COPIED = ("schema", "coordinator", "worker", "trainer", "tests", "dashboard", "script", ".clang-format")


class Planted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)
        for name in COPIED:
            copy = shutil.copytree if (SOURCE / name).is_dir() else shutil.copy
            copy(SOURCE / name, self.root / name)

    def verdict(self, *command):
        environment = {**os.environ, "SARSWEEP_TIDY_ROOT": str(self.root)}
        done = subprocess.run(command, cwd=self.root, env=environment, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return done.returncode, done.stdout

    def expect_found(self, command, *words):
        code, output = self.verdict(*command)
        self.assertNotEqual(code, 0, output[-2000:])
        for word in words:
            self.assertIn(word, output)

    def plant(self, file, text):
        with open(self.root / file, "a", encoding="utf-8") as out:
            out.write(text)

    def test_nothing_planted_nothing_found(self):
        self.assertEqual(self.verdict(TIDY_TEST)[0], 0)

    def test_a_wrong_include(self):
        self.plant("schema/base/error.cpp", '#include "coordinator/core/leasing.h"\n')
        self.expect_found([TIDY_TEST], "schema/base/error.cpp", "coordinator/core/leasing.h")

    def test_a_third_party_header_out_of_its_room(self):
        self.plant("worker/agent.cpp", "#include <sqlite3.h>\n")
        self.expect_found([TIDY_TEST], "worker/agent.cpp", "sqlite3.h")

    def test_a_file_of_600_lines(self):
        self.plant("dashboard/style.css", "/* more */\n" * 600)
        self.expect_found([TIDY_TEST], "dashboard/style.css")

    def test_a_function_of_80_lines(self):
        body = "".join(f"  total += {i};\n" for i in range(77))
        self.plant("worker/agent.cpp", f"\nint far_too_long(int total) {{\n{body}  return total;\n}}\n")
        self.expect_found(["script/lint", "worker/agent.cpp"], "far_too_long", "80 lines")

    def test_a_banned_word(self):
        self.plant("worker/agent.cpp", "// TO" + "DO later\n")
        self.expect_found([TIDY_TEST], "worker/agent.cpp", "later")

    def test_an_unformatted_file(self):
        self.plant("worker/agent.cpp", "int   crooked ;\n")
        self.expect_found(["script/lint", "worker/agent.cpp"], "not formatted")


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
