"""`sarsweep completion SHELL`, in the shells that are installed."""
import os
import pty
import select
import shutil
import signal
import subprocess
import time
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


class Terminal:
    """A shell somebody sits at."""

    def __init__(self, command, environment, folder):
        self.pid, self.screen = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(command[0], command, environment)
        self.seen = ""

    def type(self, keys):
        self.seen = ""
        os.write(self.screen, keys.encode())

    def await_text(self, wanted, timeout=30):
        end = time.monotonic() + timeout
        while wanted not in self.seen:
            ready, _, _ = select.select([self.screen], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {wanted!r} within {timeout} s in {self.seen!r}"
            self.seen += os.read(self.screen, 65536).decode(errors="replace")

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.screen)


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

    @unittest.skipUnless(shutil.which("fish"), "there is no fish on this machine")
    def test_fish_completes_commands_and_names_and_files_where_there_are_none(self):
        def offered(line):
            script = "sarsweep completion fish | source; complete -C $argv[1]"
            done = subprocess.run(["fish", "--no-config", "-c", script, line], capture_output=True, text=True, check=True,
                                  env=self.environment, cwd=self.home.folder)
            self.assertEqual(done.stderr, "")
            return [word.split("\t")[0] for word in done.stdout.splitlines()]
        self.assertEqual(offered("sarsweep lead"), ["leaderboard"])
        self.assertEqual(offered("sarsweep show "), ["@radar", "heart-rose-2", "lake-mont-9"])
        self.assertEqual(offered("sarsweep show l"), ["lake-mont-9"])
        self.assertEqual(offered("sarsweep wait @ra"), ["@radar"])
        self.assertEqual(offered("sarsweep ls --state pa"), ["paused", "pausing"])
        self.assertIn("radar.yaml", offered("sarsweep submit "))

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh on this machine")
    def test_zsh_completes_commands_and_names_and_files_where_there_are_none(self):
        shell = Terminal(["zsh", "-f", "-i"], self.environment | {"TERM": "dumb", "HOME": str(self.home.folder)},
                         self.home.folder)
        self.addCleanup(shell.close)
        shell.type("unsetopt prompt_cr prompt_sp; autoload -U compinit && compinit -u -D\n")
        shell.type("source <(sarsweep completion zsh) && PROMPT='rea''dy> '\n")  # Its echo is no prompt.
        shell.await_text("ready> ")
        for typed, completed in (("sarsweep lead", "sarsweep leaderboard"), ("sarsweep show l", "sarsweep show lake-mont-9"),
                                 ("sarsweep wait @ra", "sarsweep wait @radar"),
                                 ("sarsweep submit rad", "sarsweep submit radar.yaml"),
                                 ("sarsweep ls --state fai", "sarsweep ls --state failed")):
            with self.subTest(typed):
                shell.type(typed + "\t")
                shell.await_text(completed)
                shell.type("\x15")  # The line is gone.
        shell.type("sarsweep show \t")
        for name in ("@radar", "heart-rose-2", "lake-mont-9"):
            shell.await_text(name)


if __name__ == "__main__":
    unittest.main(verbosity=2)
