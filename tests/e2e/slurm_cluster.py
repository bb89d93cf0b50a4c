"""A real Slurm on this machine for as long as a test wants it: munged, slurmctld and slurmd in their own folder."""
import contextlib
import os
import pathlib
import shutil
import socket
import subprocess

from home import until

# The daemons lie where only root's PATH leads.
PATH = os.environ["PATH"] + ":/usr/sbin:/sbin"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")

CONF = """ClusterName=sarsweep
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
GresTypes=gpu
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
NodeName={host} NodeAddr=127.0.0.1 CPUs=4 Gres=gpu:2 State=UNKNOWN
PartitionName=gpu Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""
# Files that are there, in place of GPUs.
GRES = "AutoDetect=off\nName=gpu File=/dev/null\nName=gpu File=/dev/zero\n"


def why_not():
    """What is missing for a cluster on this machine, or None."""
    missing = [program for program in PROGRAMS if not shutil.which(program, path=PATH)]
    if missing:
        return f"no {', '.join(missing)}: install slurmctld, slurmd, slurm-client and munge (script/bootstrap --test)"
    return None if os.geteuid() == 0 else "slurmd starts jobs as root alone"


def free_ports(count):
    with contextlib.ExitStack() as stack:
        return [stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1] for _ in range(count)]


class Cluster:
    """Slurm's commands find it by SLURM_CONF in `environment`."""

    def __init__(self, folder):
        self.folder, self.daemons = pathlib.Path(folder), []
        for name in ("munge", "state", "spool"):
            (self.folder / name).mkdir(parents=True)
        host = socket.gethostname().split(".")[0]
        (self.folder / "slurm.conf").write_text(CONF.format(folder=self.folder, host=host, ports=free_ports(2)))
        (self.folder / "gres.conf").write_text(GRES)
        (self.folder / "munge/key").write_bytes(os.urandom(128))
        (self.folder / "munge/key").chmod(0o600)
        self.environment = {"SLURM_CONF": str(self.folder / "slurm.conf"), "PATH": PATH}

    def __enter__(self):
        munge = self.folder / "munge"
        try:
            self.begin("munged", "--foreground", "--force", f"--key-file={munge}/key", f"--socket={munge}/socket",
                       f"--pid-file={munge}/pid", f"--log-file={munge}/log", f"--seed-file={munge}/seed")
            until((munge / "socket").exists, 30, "munged listens")
            self.begin("slurmctld", "-D", "-c")
            self.begin("slurmd", "-D")
            until(lambda: self.run("sinfo", "--noheader", "--format=%t").strip() == "idle", 60, self.told)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Jobs outlive the daemons that started them.
        self.run("scancel", "--user=root")
        with contextlib.suppress(AssertionError):
            until(lambda: not {"RUNNING", "COMPLETING"} & set(self.jobs().values()), 90, "the jobs are over", every=0.5)
        for daemon in reversed(self.daemons):
            daemon.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                daemon.wait(30)
            daemon.kill()
            daemon.wait()

    def begin(self, program, *arguments):
        with open(self.folder / f"{program}.out", "ab") as log:
            self.daemons.append(subprocess.Popen([shutil.which(program, path=PATH), *arguments], stdout=log, stderr=log,
                                                 env=os.environ | self.environment))

    def told(self):
        """The last that the daemons said."""
        return "\n".join(file.name + ": " + file.read_text()[-2000:] for file in self.folder.glob("*.out"))

    def run(self, *command):
        """stdout of one of Slurm's commands; empty where it fails."""
        return subprocess.run(command, env=os.environ | self.environment, capture_output=True, text=True).stdout

    def jobs(self):
        """id -> state of all jobs Slurm still knows."""
        lines = self.run("squeue", "--noheader", "--states=all", "--format=%i|%T").split()
        return dict(line.split("|") for line in lines)
