"""sbatch, squeue, sacct and scancel that lie as they are told to: this file under those names, on a PATH.

Beside it lie `faults`, which command misbehaves how, a line each, and `jobs`, what this Slurm knows: a line a job,
ID|STATE|NAME. Every call is written to `calls`.
"""
import contextlib
import fcntl
import os
import pathlib
import shutil
import stat
import sys
import time

HERE = pathlib.Path(__file__).absolute().parent
COMMANDS = ("sbatch", "squeue", "sacct", "scancel")


class Stub:
    """The test's end of it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        for command in COMMANDS:
            file = self.folder / command
            shutil.copy(__file__, file)
            file.chmod(file.stat().st_mode | stat.S_IXUSR)
            file.write_text(f"#!{sys.executable}\n" + file.read_text())
        for name in ("faults", "jobs", "calls"):
            (self.folder / name).touch()

    def set_fault(self, command, fault=""):
        (self.folder / "faults").write_text(f"{command} {fault}\n" if fault else "")

    def lines(self, name):
        return (self.folder / name).read_text().splitlines()

    def calls(self, command):
        return [line for line in self.lines("calls") if line.split()[0] == command and "--test-only" not in line]

    def jobs(self):
        return [line.split("|") for line in self.lines("jobs")]

    def write(self, jobs):
        with locked(self.folder):
            write_jobs(self.folder, ["|".join(job) for job in jobs])

    def set_state(self, job_id, state):
        self.write([[job, state if job == job_id else old, name] for job, old, name in self.jobs()])


@contextlib.contextmanager
def locked(folder):
    with open(folder / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def write_jobs(folder, lines):
    """All at once: readers take no lock."""
    (folder / "jobs.new").write_text("".join(line + "\n" for line in lines))
    (folder / "jobs.new").replace(folder / "jobs")


def fault_of(command):
    for line in (HERE / "faults").read_text().splitlines():
        name, fault = line.split()
        if name == command:
            return fault
    return ""


def option(arguments, name):
    return [word.split("=", 1)[1] for word in arguments if word.startswith(name + "=")][-1]


def sbatch(arguments, fault):
    if "--test-only" in arguments:
        return 0
    if fault == "refuses":
        sys.exit("sbatch: error: Batch job submission failed: Unable to contact slurm controller")
    with locked(HERE):
        jobs = (HERE / "jobs").read_text().splitlines()
        jobs += [f"{len(jobs) + 1}|PENDING|{option(arguments, '--job-name')}"]
        if fault == "doubles":
            jobs += [f"{len(jobs) + 1}|PENDING|{option(arguments, '--job-name')}"]
        write_jobs(HERE, jobs)
    if fault == "times-out":
        sys.exit("sbatch: error: Batch job submission failed: Socket timed out on send/recv operation")
    if fault == "hangs":
        time.sleep(600)
    print("slurm_update error: \x1b[1m??\x07" if fault == "babbles" else len(jobs))
    return 0


def squeue(arguments, fault):
    if fault == "fails":
        sys.exit("slurm_load_jobs error: Unable to contact slurm controller (connect failure)")
    if fault == "babbles":
        print("|||")
    if not any(word.startswith("--name=") for word in arguments):
        sys.exit("slurm_load_jobs error: Invalid job id specified")
    names = option(arguments, "--name").split(",")
    for line in (HERE / "jobs").read_text().splitlines():
        if fault != "forgets" and line.split("|")[2] in names:
            print(line + "|None")
    return 0


def sacct(arguments, fault):
    sys.exit("Slurm accounting storage is disabled")


def scancel(arguments, fault):
    with locked(HERE):
        jobs = [line.split("|") for line in (HERE / "jobs").read_text().splitlines()]
        lines = ["|".join((job, "CANCELLED" if job == arguments[-1] else state, name)) for job, state, name in jobs]
        write_jobs(HERE, lines)
    return 0


if __name__ == "__main__":
    program = pathlib.Path(sys.argv[0]).name
    with open(HERE / "calls", "a") as calls:
        calls.write(" ".join([program, *sys.argv[1:]]) + "\n")
    sys.exit({"sbatch": sbatch, "squeue": squeue, "sacct": sacct, "scancel": scancel}[program](
        sys.argv[1:], fault_of(program)) or os.EX_OK)
