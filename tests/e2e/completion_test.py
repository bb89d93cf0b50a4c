"""`sarsweep completion SHELL`, in the shells that are installed."""
import os
import shutil
import subprocess
import unittest

from home import BIN, coordinator_of

# What readline does on a Tab behind LINE.
TAB = """source <(sarsweep completion bash)
COMP_LINE=$LINE COMP_POINT=${#LINE}
IFS=' ' read -ra COMP_WORDS <<<"$BROKEN"
[ "${LINE: -1}" = " " ] && COMP_WORDS+=("")
COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_sarsweep
printf '%s\\n' "${COMPREPLY[@]}"
"""
SWEEP = """version: 1
sweep: radar
base: {model.path: m, data.path: d, data.stretch: none, train.steps: 1}
runs: {heart-rose-2: {}, lake-mont-9: {unet.lr: 1e-6}}
"""


class CompletionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = coordinator_of(cls)
        file = cls.home.folder / "radar.yaml"
        file.write_text(SWEEP)
        cls.home.cli("submit", file)
        cls.environment = dict(os.environ, PATH=f"{BIN}:{os.environ['PATH']}", SARSWEEP_HOME=str(cls.home.folder))

    def after_tab(self, line, broken=None):
        done = subprocess.run(["bash", "--norc", "-c", TAB], capture_output=True, text=True, check=True,
                              env=dict(self.environment, LINE=line, BROKEN=broken or line))
        self.assertEqual(done.stderr, "")
        return done.stdout.split()

    def test_bash_completes_commands_and_names(self):
        self.assertEqual(self.after_tab("sarsweep lead"), ["leaderboard"])
        self.assertEqual(self.after_tab("sarsweep show "), ["@radar", "heart-rose-2", "lake-mont-9"])
        self.assertEqual(self.after_tab("sarsweep show l"), ["lake-mont-9"])
        # Readline breaks words at @, and replaces what stands behind it alone.
        self.assertEqual(self.after_tab("sarsweep wait @ra", "sarsweep wait @ ra"), ["radar"])

    def test_the_other_shells_read_their_scripts(self):
        for shell in ("zsh", "fish"):
            script = subprocess.run([BIN / "sarsweep", "completion", shell], capture_output=True, text=True, check=True)
            self.assertIn("sarsweep complete" if shell == "fish" else "complete --", script.stdout)
            if shutil.which(shell):
                subprocess.run([shell, "-n"], input=script.stdout, text=True, check=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
