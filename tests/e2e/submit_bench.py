"""How long a sweep of 10,000 runs takes from the command line to the committed rows, and the queue that it makes to a
reader; markdown rows for docs/benchmarks.md. The referee of the first is Python's sqlite3, which writes the very rows of
the run table in one transaction into a database with the same schema and the same durability.

    script/bench submit [PAIRS]
"""
import os
import pathlib
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from by_hand import Api  # noqa: E402
from home import Home  # noqa: E402

SIDE = 10


def sweep(number):
    """SIDE^4 runs; every number gives other runs."""
    axis = lambda first, step: [round(first + step * i, 6) for i in range(SIDE)]
    return f"""version: 1
sweep: large-{number}
objective: {{metric: eval/kl_pooled, goal: minimize}}
base:
  model.path: models/tiny
  data: {{path: data/mini, resolution: 64, stretch: mean3sigma}}
  unet: {{mode: lora, lr: {1e-3 * (number + 1)}}}
  text_encoders: {{mode: lora, lr: 2e-4}}
  eval.protocol: mini-v1
grid:
  unet.rank: {axis(1, 1)}
  text_encoders.rank: {axis(1, 1)}
  train.noise_offset: {axis(0.01, 0.01)}
  train.global_batch: {axis(16, 16)}
"""


def submit_once(home, number):
    file = home.folder / f"large-{number}.yaml"
    file.write_text(sweep(number))
    began = time.perf_counter()
    home.cli("submit", file)
    return time.perf_counter() - began


def cpu_seconds(pid):
    """What the process has computed so far, its threads together."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_queue(home, times):
    """Seconds of each GET of the whole queue, its rows, and what the coordinator computes for one."""
    api, seconds = Api(home), []
    before = cpu_seconds(home.ready()["coordinator_pid"])
    for _ in range(times):
        began = time.perf_counter()
        answer = api.get("/api/v1/queue")
        seconds.append(time.perf_counter() - began)
    return seconds, len(answer.json()), (cpu_seconds(home.ready()["coordinator_pid"]) - before) / times


class Referee:
    """A copy of the coordinator's schema; the rows are those of the newest sweep."""

    def __init__(self, source, folder):
        self.source = sqlite3.connect(f"file:{source}?mode=ro", uri=True)
        self.copy = sqlite3.connect(folder / "referee.db", isolation_level=None)
        self.copy.execute("PRAGMA journal_mode = WAL")
        self.copy.execute("PRAGMA synchronous = FULL")
        for table, in self.source.execute("SELECT sql FROM sqlite_master WHERE name = 'run' OR (tbl_name = 'run' AND "
                                          "type = 'index' AND sql NOT NULL) ORDER BY type DESC").fetchall():
            self.copy.execute(table)

    def insert_once(self):
        rows = self.source.execute("SELECT * FROM run WHERE sweep = (SELECT max(sweep) FROM run)").fetchall()
        marks = ", ".join("?" * len(rows[0]))
        began = time.perf_counter()
        self.copy.execute("BEGIN IMMEDIATE")
        self.copy.executemany(f"INSERT INTO run VALUES ({marks})", rows)
        self.copy.execute("COMMIT")
        return time.perf_counter() - began, len(rows)


def main():
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="sarsweep-bench-") as folder:
        folder = pathlib.Path(folder)
        home = Home(folder / "home", None, None).up(workers=0)
        try:
            submit_once(home, 0)
            reads, waiting, cpu = read_queue(home, 2 * pairs)
            referee = Referee(folder / "home/sarsweep.db", folder)
            referee.insert_once()
            ours, theirs, computed = [], [], []
            for number in range(1, pairs + 1):
                before = cpu_seconds(home.ready()["coordinator_pid"])
                ours.append(submit_once(home, number))
                computed.append(cpu_seconds(home.ready()["coordinator_pid"]) - before)
                seconds, rows = referee.insert_once()
                assert rows == SIDE ** 4
                theirs.append(seconds)
        finally:
            home.down()
    ratio = statistics.median(a / b for a, b in zip(ours, theirs))
    print(f"| `sarsweep submit` of {SIDE ** 4:,} runs | {statistics.median(ours):.2f} s (slowest {max(ours):.2f}) | "
          f"Python's sqlite3 writing the same rows {statistics.median(theirs):.2f} s | {ratio:.1f} times as long | "
          f"{pairs} pairs; the coordinator computes {statistics.median(computed):.2f} s |")
    print(f"| `GET /api/v1/queue` with {waiting:,} runs waiting | {statistics.median(reads):.3f} s "
          f"(slowest {max(reads):.3f}) | | | {len(reads)} reads; the coordinator computes {cpu:.3f} s |")


if __name__ == "__main__":
    main()
