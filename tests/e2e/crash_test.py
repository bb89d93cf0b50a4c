"""SIGKILL at random instants, saves included, and damaged checkpoints, with the real trainer and no coordinator:
whatever happened on the way, a run ends with the losses and the bytes of a run left alone.

    SARSWEEP_KILLS=200 SARSWEEP_DAMAGES=200 SARSWEEP_SEED=1 python3 tests/e2e/crash_test.py [Kills|Damages]
"""
import collections
import concurrent.futures
import json
import os
import pathlib
import random
import shutil
import time
import unittest

import damage
from attempts import (CONFIGS, EVERY, STEPS, Attempt, checkpoint_content, document, fault_of, next_resume, sha256,
                      step_name, tree)
from home import until, workshop

KILLS = int(os.environ.get("SARSWEEP_KILLS", "8"))
DAMAGES = int(os.environ.get("SARSWEEP_DAMAGES", "8"))
SEED = int(os.environ.get("SARSWEEP_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
JOBS = int(os.environ.get("SARSWEEP_JOBS", "0")) or max(2, os.cpu_count())
NAMES = [name for name in CONFIGS if name != "ranks" or shutil.which("mpirun")]

# A save, told by what lies in step-….tmp: its beginning, and the end of each of its files.
SAVE_PHASES = ["", "weights.safetensors", "optimizer.safetensors", "state.json", "model.json", "manifest.json"]
STAGES = ["load", "cache", "sample", "vae_pass", "evaluate", "export"]

ALONE = {}  # name -> the attempt that nothing disturbed


def setUpModule():
    global BASE
    stack = workshop(per_label=7)
    BASE = stack.__enter__()
    unittest.addModuleCleanup(stack.__exit__, None, None, None)
    keep_pictures(BASE / "mini/val", 3)
    print(f"seed {SEED}, {KILLS} kills, {DAMAGES} damages, {JOBS} at a time", flush=True)
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        ALONE.update(zip(NAMES, pool.map(left_alone, NAMES)))


def keep_pictures(split, count):
    """Shortens a split: every checkpoint is validated on it."""
    lines = (split / "metadata.jsonl").read_text().splitlines(keepends=True)
    (split / "metadata.jsonl").write_text("".join(lines[:count]))
    for line in lines[count:]:
        (split / json.loads(line)["file_name"]).unlink()


def left_alone(name):
    begun = time.monotonic()
    attempt = Attempt(BASE / "alone" / name, document(BASE, name, BASE / "cache")).start()
    assert attempt.wait() == 0, attempt.text("stderr.log")
    attempt.seconds = time.monotonic() - begun
    return attempt


def begun_at(attempt):
    """The step that the newest checkpoint it was given is of."""
    return attempt.resume[0]["step"] if attempt.resume else 0


def losses(attempt):
    """The steps it trained."""
    return [step for key, step in attempt.points() if key == "train/loss"]


class Crash(unittest.TestCase):
    def check_same(self, files, expected, what):
        self.assertEqual(files.keys(), expected.keys(), what)
        self.assertEqual([file for file in files if files[file] != expected[file]], [], f"{what} differ")

    def check_series(self, attempts, alone):
        expected, known = alone.points(), {}
        for attempt in attempts:
            for point, value in attempt.points().items():
                self.assertEqual(value, expected.get(point), f"{attempt.folder}: {point}")
                known[point] = value
        self.assertEqual(known.keys(), expected.keys(), "points are missing")

    def check_like_alone(self, attempts):
        alone = ALONE[attempts[0].name]
        self.check_series(attempts, alone)
        newest = pathlib.Path(next_resume(attempts)[0]["checkpoint"])
        self.check_same(checkpoint_content(newest),
                        checkpoint_content(alone.folder / "checkpoints" / step_name(STEPS)), newest)
        for folder in ("export", "eval"):
            self.check_same(tree(attempts[-1].folder / folder), tree(alone.folder / folder), folder)
        pictures = {}
        for attempt in attempts:
            pictures.update(tree(attempt.folder / "samples"))
        self.check_same(pictures, tree(alone.folder / "samples"), "samples")


class Kills(Crash):
    def save_begun(self, attempt, chance):
        """A moment inside the save of a random step."""
        step = chance.choice(range(begun_at(attempt) + EVERY, STEPS + 1, EVERY) or [STEPS])
        sealed = attempt.folder / "checkpoints" / step_name(step)
        phase = sealed.with_name(sealed.name + ".tmp") / chance.choice(SAVE_PHASES)
        return lambda: phase.exists() or sealed.exists(), chance.uniform(0, 0.01)

    def stage_begun(self, attempt, chance):
        name = chance.choice(STAGES)
        return lambda: any(event["name"] == name for event in attempt.events("stage")), chance.uniform(0, 0.1)

    def whenever(self, attempt, chance):
        return lambda: True, chance.uniform(0, ALONE[attempt.name].seconds)

    def place_of(self, attempt):
        """What the trainer was at when it was killed."""
        if list(attempt.folder.glob("checkpoints/*.tmp")):
            return "save"
        events = attempt.events()
        if not events:
            return "start"
        last = events[-1]
        if last["type"] == "stage" and last["done"] < last["total"]:
            return last["name"]
        return "updates" if last.get("step", STEPS) < STEPS else "between stages"

    def kill(self, attempt, chance):
        """Starts the attempt and kills it at a random instant. Where; None if it came to its end before."""
        moment = chance.choice([self.save_begun, self.save_begun, self.stage_begun, self.whenever])
        reached, delay = moment(attempt, chance)
        attempt.start()
        until(lambda: reached() or attempt.process.poll() is not None, 120, moment.__name__, every=0.001)
        time.sleep(delay)  # waits for nothing: it spreads the instants
        attempt.kill(chance.choice([None, 0, 1]) if attempt.ranks > 1 else None)
        code = attempt.wait()
        # Without a word, or with rank 0's word that another rank is gone.
        self.assertIn(code, (None, 0) if attempt.ranks == 1 else (None, 0, 75), attempt.folder)
        return None if code == 0 else self.place_of(attempt)

    def check_attempt(self, attempt):
        """What it told of exists, what exists is whole, and it went on from the newest checkpoint it was given."""
        for entry in attempt.sealed():
            manifest = pathlib.Path(entry["checkpoint"]) / "manifest.json"
            self.assertEqual(sha256(manifest.read_bytes()), entry["manifest_sha256"], manifest)
        for folder in attempt.folder.glob("checkpoints/step-????????"):
            self.assertIsNone(fault_of(folder))
        for event in attempt.events("sample") + attempt.events("eval"):
            self.assertEqual(sha256((attempt.folder / event["file"]).read_bytes()), event["sha256"], event)
        self.assertEqual(min(losses(attempt), default=begun_at(attempt) + 1), begun_at(attempt) + 1)
        self.assertLessEqual(set(attempt.messages("warning")), set(ALONE[attempt.name].messages("warning")))

    def trial(self, name, number, most):
        """A run killed up to `most` times. Where."""
        chance = random.Random(f"{SEED}/{name}/{number}")
        folder = BASE / f"{name}-{number}"
        cache = chance.choice([BASE / "cache", folder / "cache"])
        attempts, places = [], []

        def grant():
            run_json = {**document(BASE, name, cache), "resume": next_resume(attempts)}
            attempts.append(Attempt(folder / f"e{len(attempts) + 1}", run_json))
            return attempts[-1]
        ended = False
        for _ in range(chance.randint(1, most)):
            place = self.kill(grant(), chance)
            ended = place is None
            if ended:
                break
            places.append(place)
        if not ended:
            self.assertEqual(grant().start().wait(), 0, attempts[-1].text("stderr.log"))
        for attempt in attempts:
            self.check_attempt(attempt)
        self.check_like_alone(attempts)
        print(f"{name} {number}: {', '.join(places) or 'ended before its kill'}", flush=True)
        shutil.rmtree(folder)
        return places

    def trials(self, name, kills):
        places, number = [], 0
        while len(places) < kills:
            places += self.trial(name, number, min(4, kills - len(places)))
            number += 1
        return collections.Counter(places)

    def test_killed_runs_end_like_runs_left_alone(self):
        shares = [len(range(i, KILLS, len(NAMES))) for i in range(len(NAMES))]
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            places = sum(pool.map(self.trials, NAMES, shares), collections.Counter())
        print(f"summary: {places.total()} kills:",
              ", ".join(f"{count} in {place}" for place, count in places.most_common()), flush=True)


class Damages(Crash):
    def damaged_copy(self, source, folder, chance, choices=damage.KINDS):
        """The checkpoints of `source` with some that came to harm: {step: kind of damage}."""
        shutil.copytree(source, folder, copy_function=os.link)
        if chance.random() < 0.3:
            damage.strew(folder, chance)
        older = list(range(STEPS - EVERY, 0, -EVERY))
        victims = {STEPS, *chance.sample(older, chance.choice([0, 0, 1, 2, 3, len(older)]))}
        kinds = {step: chance.choice(choices) for step in sorted(victims)}
        for step, kind in kinds.items():
            other = chance.choice([known for known in older if known != step])
            kind(folder / step_name(step), source / step_name(other), chance)
        return kinds

    def goes_on(self, attempt, to_the_end):
        """Runs the attempt until it is seen where it goes on: that step."""
        def seen():
            return not to_the_end and (losses(attempt) or any(
                event["name"] == "sample" for event in attempt.events("stage")))
        attempt.start()
        until(lambda: seen() or attempt.process.poll() is not None, 120, "the attempt goes on")
        if not to_the_end:
            attempt.kill()
        code = attempt.wait()
        self.assertIn(code, (0,) if to_the_end else (None, 0), attempt.text("stderr.log"))
        return min(losses(attempt), default=STEPS + 1) - 1

    def check_warnings(self, attempt, steps, chosen):
        """One for each damaged checkpoint that is newer than the chosen one, naming it."""
        expected = [step_name(step) for step in sorted(steps, reverse=True) if step > chosen]
        if chosen == 0 and expected:
            expected.append("no intact checkpoint is left")
        warnings = attempt.messages("warning")
        self.assertGreaterEqual(len(warnings), len(expected))
        for warning, part in zip(warnings, expected):
            self.assertIn(part, warning)
            self.assertNotIn("\n", warning)

    def check_resumes(self, name, folder, chance):
        """From the newest intact checkpoint, whether they are listed or looked for."""
        alone, by_hand = ALONE[name], chance.random() < 0.3
        kinds = self.damaged_copy(alone.folder / "checkpoints", folder / "e1" / "checkpoints", chance,
                                  damage.KINDS if by_hand else damage.KINDS_IF_RECORDED)
        run_json = document(BASE, name, BASE / "cache")
        run_json["resume"] = "auto" if by_hand else [
            {**entry, "checkpoint": str(folder / "e1" / "checkpoints" / step_name(entry["step"]))}
            for entry in alone.sealed()]
        attempt = Attempt(folder / ("e1" if by_hand else "e2"), run_json)
        to_the_end = chance.random() < 0.2
        chosen = self.goes_on(attempt, to_the_end)
        told = f"{name}, {'by hand' if by_hand else 'listed'}: { {s: k.__name__ for s, k in kinds.items()} }"
        self.assertEqual(chosen, max({*range(0, STEPS + 1, EVERY)} - kinds.keys()), told)
        self.check_warnings(attempt, [step for step, kind in kinds.items()
                                      if not (by_hand and kind in damage.GONE)], chosen)
        if to_the_end:
            self.check_like_alone([alone, attempt])
        return f"{told} -> {chosen}{', same bytes' if to_the_end else ''}"

    def check_refused(self, name, folder, chance):
        """A damaged checkpoint is no model to start from: exit 78 and one sentence."""
        kinds = self.damaged_copy(ALONE[name].folder / "checkpoints", folder / "e1" / "checkpoints", chance)
        run_json = document(BASE, name, BASE / "cache")
        run_json["config"]["model"] = {"path": str(folder / "e1" / "checkpoints" / step_name(STEPS))}
        attempt = Attempt(folder / "e2", run_json).start()
        told = f"{name}, as model: {kinds[STEPS].__name__}"
        self.assertEqual(attempt.wait(), 78, f"{told}: {attempt.text('stderr.log')}")
        message, = attempt.messages("error")
        self.assertIn(step_name(STEPS), message, told)
        self.assertNotIn("\n", message, told)
        self.assertEqual((losses(attempt), attempt.sealed()), ([], []), told)
        return f"{told} -> {message.replace(str(folder), '')}"

    def trial(self, number):
        chance = random.Random(f"{SEED}/damage/{number}")
        folder = BASE / f"damage-{number}"
        name = NAMES[number % len(NAMES)]
        check = self.check_refused if chance.random() < 0.2 else self.check_resumes
        print(f"damage {number}: {check(name, folder, chance)}", flush=True)
        shutil.rmtree(folder)
        return check.__name__

    def test_the_newest_intact_checkpoint_is_chosen(self):
        with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
            checks = collections.Counter(pool.map(self.trial, range(DAMAGES)))
        print(f"summary: {checks['check_resumes']} resumed from the newest intact checkpoint, "
              f"{checks['check_refused']} refused as a model", flush=True)


if __name__ == "__main__":
    unittest.main(verbosity=2)
