"""The public API with fixture data, to look at the dashboard without a coordinator.

    python tests/browser/fake_api.py [PORT]     then open the printed address
"""
import functools
import hashlib
import http.server
import json
import math
import pathlib
import struct
import sys
import time
import urllib.parse
import zlib

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = time.time()


def png(seed, size=64):
    """A 16-bit grey picture: a bright block with a shadow in speckle."""
    rows = b""
    state = seed * 7919 + 1
    for y in range(size):
        row = b"\0"
        for x in range(size):
            state = (1103515245 * state + 12345) & 0x7FFFFFFF
            value = 0.25 * math.sqrt(-2 * math.log((state + 1) / 0x80000001)) * 0.6
            value *= 2.8 if 20 < y < 34 and 18 < x < 30 else 0.2 if 20 < y < 34 and 30 <= x < 46 else 1
            row += struct.pack(">H", min(65535, int(65535 * value)))
        rows += row
    part = lambda kind, data: struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + part(b"IHDR", struct.pack(">IIBBBBB", size, size, 16, 0, 0, 0, 0))
            + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b""))


PICTURES = {hashlib.sha256(png(i)).hexdigest(): png(i) for i in range(8)}
DIGESTS = list(PICTURES)
NAMES = ["heart-rose-2", "lake-mont-9", "smile-road-5", "whale-north-8", "rain-beach-6", "king-kong-9", "base"]


def runs():
    out = []
    for i, name in enumerate(NAMES):
        state = ["done", "done", "done", "running", "running", "queued", "failed"][i]
        step = {"done": 150, "running": min(149, 40 * i - 80 + int(time.time() - START)), "failed": 12}.get(state, 0)
        out.append({
            "id": f"r{i}", "name": name, "cell": name, "label": ["full te8 b16", "full", "lora te64", "full b64", "lora", "te16", ""][i],
            "sweep": "quickstart", "study": "", "seed": 0, "state": state, "attempt": 2 if i == 3 else 1, "step": step,
            "total_steps": 150, "progress": step / 150, "eta_s": 42 if state == "running" else None,
            "worker": "workbench" if state != "queued" else None, "stage": "train" if state == "running" else None,
            "reason": "exit code 77: the loss was not finite in 10 updates in a row" if state == "failed" else None,
            "alias_of": None, "source_run": None, "created_ms": 1000 * START, "started_ms": 1000 * START, "finished_ms": None,
            "metrics": {"eval/kl_pooled": 0.31 + 0.05 * i} if state == "done" else {}})
    return out


def leaderboard():
    rows = []
    for i, run in enumerate(runs()):
        done = run["state"] == "done"
        rows.append({
            "rank": i + 1 if done else None, "rank_low": i + 1 if done else None, "rank_high": i + 1 if done else None,
            "name": run["name"], "aliases": ["b16"] if i == 0 else [], "label": run["label"], "cell_hash": "c" * 64,
            "n_images": 110 if done else 0, "seeds": [0] if done else [], "states": {run["state"]: 1},
            "protocol_hash": "8f3a" * 16 if done else None, "study": "", "progress": run["progress"],
            "axes": {"unet.mode": ["full", "full", "lora", "full", "lora", "full", "full"][i],
                     "text_encoder_1.rank": [8, None, 64, 8, 4, 16, None][i], "train.global_batch": [16, 16, 16, 64, 16, 32, 16][i]},
            "metrics": {k: {"mean": (0.3123456 + 0.05 * i) * f if done else None, "low": None, "high": None, "delta": None, "p": None}
                        for k, f in [("eval/kl_pooled", 1), ("eval/wasserstein1_pooled", 0.04), ("val/loss", 0.5)]},
            "runs": [{k: run[k] for k in ["id", "name", "seed", "state", "step", "total_steps"]}],
            "thumbnail": {"run_id": run["id"], "sha256": DIGESTS[i]} if done else None})
    return rows


SWEEP = {"sweep": "quickstart", "description": "UNet full and LoRA, text-encoder rank and effective batch on the miniature set",
         "created_ms": 1000 * START, "objective": {"metric": "eval/kl_pooled", "goal": "minimize"},
         "report": ["eval/kl_pooled", "eval/wasserstein1_pooled", "val/loss"], "cells": 7, "rows": 7,
         "counts": {"done": 3, "running": 2, "queued": 1, "failed": 1}, "text": "version: 1", "file": "quickstart.yaml", "studies": []}


def series(run):
    steps = range(1, run["step"] + 1)
    return {"train/loss": [[s, 0.9 * math.exp(-s / 60) + 0.1 + 0.05 * math.sin(s * 1.7), 1] for s in steps],
            "val/loss": [[s, 0.7 * math.exp(-s / 70) + 0.12, 1] for s in steps if s % 50 == 0],
            "train/grad_norm": [[s, 2 / (1 + s / 20) + 0.1, 1] for s in steps],
            "train/lr_unet": [[s, 5e-5, 1] for s in steps], "train/images_per_s": [[s, 88 + 4 * math.sin(s), 1] for s in steps]}


def show(run):
    return dict(run, config={"unet.mode": "full", "unet.lr": 5e-5, "train.global_batch": 16, "data.path": "../.sarsweep/data/mini"},
                origins={"unet.lr": "quickstart.yaml:12"}, axes={}, lineage=[],
                attempts=[{"attempt": 1, "lease_epoch": 1, "worker": "workbench", "started_ms": 1000 * START, "finished_ms": None,
                           "end": "lost", "exit_code": None, "reason": "lease expired", "resume_step": 0},
                          {"attempt": 2, "lease_epoch": 2, "worker": "workbench", "started_ms": 1000 * START, "finished_ms": None,
                           "end": None, "exit_code": None, "reason": None, "resume_step": 25}][:run["attempt"]],
                events=[{"seq": 1, "t_ms": 1000 * START, "actor": "admin", "what": "submitted", "detail": None}])


def api(path, query):
    by_id = {run["id"]: run for run in runs()}
    parts = path.strip("/").split("/")[2:]
    if parts == ["session"]:
        return {"role": "admin", "csrf": "c"}
    if parts[0] == "sweeps":
        return SWEEP if len(parts) > 1 else [SWEEP]
    if parts == ["leaderboard"]:
        return leaderboard()
    if parts == ["queue"]:
        return [{"position": 1, "id": "r5", "name": "king-kong-9", "sweep": "quickstart", "state": "queued",
                 "reason": "both slots of workbench are busy", "priority": "normal"}]
    if parts == ["workers"]:
        return [{"id": "w1", "name": "workbench", "host": "bench-1", "state": "live", "draining": False, "last_seen_ms": 1000 * time.time() - 1500,
                 "slots": [{"index": 0, "device": "cpu", "run_id": "r3", "run_name": "whale-north-8"}, {"index": 1, "device": "cpu", "run_id": None, "run_name": None}]}]
    if parts[0] == "runs" and len(parts) == 2:
        return show(by_id[parts[1]])
    if parts[0] == "runs":
        run = by_id[parts[1]]
        return {"metrics": series(run), "eval": {"floor": {"kl_pooled": 0.0084}, "vae_pass": {"kl_pooled": 0.42, "autocorrelation": {"1": 0.96, "4": 0.6}},
                                                 "autocorrelation_generated": {"1": 0.955, "4": 0.604}},
                "samples": [{"attempt": 1, "step": step, "index": i, "file": f"{i}.png", "prompt": f"A SAR image of a port with {i + 2} ships along a pier",
                             "seed": 0, "bytes": 1, "sha256": DIGESTS[(i + step) % 8]} for step in (50, 100, 150) for i in range(4)],
                "log": {"attempt": run["attempt"], "offset": 0, "next": 10, "size": 10, "text": "train  step 10/150  loss 0.81\n" if "-" in query.get("offset", ["0"])[0] else ""},
                }.get(parts[2], [])
    return None


class Handler(http.server.BaseHTTPRequestHandler):
    def reply(self, status, body, mime):
        self.send_response(status)
        self.send_header("Content-Type", mime)
        self.send_header("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; connect-src 'self'")
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        url = urllib.parse.urlparse(self.path)
        if url.path.startswith("/api/v1/artifacts/"):
            return self.reply(200, PICTURES[url.path.rsplit("/", 1)[1]], "image/png")
        if url.path.startswith("/api/"):
            return self.reply(200, json.dumps(api(url.path, urllib.parse.parse_qs(url.query))).encode(), "application/json")
        file = ROOT / "dashboard" / (url.path.strip("/") or "index.html")
        if url.path == "/plotly.min.js":
            file = next(ROOT.glob(".venv/lib/python3*/site-packages/plotly/package_data/plotly.min.js"))
        mime = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}.get(file.suffix, "text/plain")
        return self.reply(200, file.read_bytes(), mime) if file.is_file() else self.reply(404, b"", "text/plain")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.reply(200, json.dumps({"id": "r3", "name": "x", "was": "running", "state": "cancelling", "undo": "sarsweep resume x"}).encode(), "application/json")

    log_message = functools.partialmethod(lambda *_: None)


def serve(port=0):
    return http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    server = serve(int(sys.argv[1]) if len(sys.argv) > 1 else 0)
    print(f"http://127.0.0.1:{server.server_port}/")
    server.serve_forever()
