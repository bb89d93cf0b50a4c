"""Every text a submitter or a worker can send, full of markup, shown by the dashboard in real chromium: nothing runs.

Most pages are looked at twice: with the page's policy switched off, so that whatever is taken for markup does run, and
with the policy, which then must have nothing to refuse.
"""
import json
import pathlib
import sys
import unittest

from playwright.sync_api import Error

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from by_hand import Api, Worker  # noqa: E402
from chromium import await_in, chromium_of  # noqa: E402
from home import coordinator_of  # noqa: E402
from xss_corpus import RUN, VECTORS, payloads  # noqa: E402

PAYLOADS = payloads()
PNG = b"\x89PNG\r\n\x1a\n" + bytes(64)
LEAST_SHOWN = 15  # places of a run's page where its payload stands

WATCH = """() => {
  window.refused = [];
  document.addEventListener("securitypolicyviolation", (event) => window.refused.push(`${event.violatedDirective} ${event.blockedURI}`));
}"""

# What no page of ours has, and what came of it.
LOOK = """() => {
  const foreign = ["iframe", "object", "embed", "base", "form", "math", "video", "audio", "source", "animate", "marquee", "template"];
  const leads = ["href", "src", "action", "data", "srcdoc", "xlink:href"];
  const found = [];
  for (const element of document.querySelectorAll("*")) {
    const inline = element.localName === "script" && !element.hasAttribute("src");
    const listens = [...element.attributes].some((one) => one.name.startsWith("on"));
    const leaves = leads.some((name) => element.hasAttribute(name) && !/^(#|[/](?![/\\\\]))/.test(element.getAttribute(name)));
    if (foreign.includes(element.localName) || inline || listens || leaves) found.push(element.outerHTML.slice(0, 200));
  }
  return {found, canary: window.canary ?? 0, refused: window.refused};
}"""
# What a page would do if it took a text for markup; outside of what the dashboard draws anew.
PROVOKE = """html => {
  document.querySelector("#provoked")?.remove();
  const place = document.body.appendChild(document.createElement("div"));
  place.id = "provoked";
  place.innerHTML = html;
}"""
CLEAN = {"found": [], "canary": 0, "refused": []}


def free_texts(api):
    """The fields of a run that take any text."""
    fields = [one for one in api.get("/api/v1/fields").json() if one["supported"] and not one["choices"]]
    judged = ("eval.protocol", "checkpoint.best_by")  # looked up when the run is leased or submitted
    return [one["name"] for one in fields if one["type"] in ("text", "path", "model") and one["name"] not in judged]


def submit(api, sweep, file=""):
    text = json.dumps({"version": 1, **sweep}, indent=1)  # JSON is YAML
    answer = api.post("/api/v1/sweeps", {"text": text, "file": file, "dir": "/", "cwd": "/"})
    assert answer.status == 200, answer


def train(home, index, payload):
    """A worker whose every word is the payload; half of its runs fail with it."""
    worker = Worker(home, name=payload, host=payload, device=payload)
    worker.lease()
    picture = worker.upload(PNG)
    result = worker.upload(json.dumps({"kl_pooled": payload, "floor": {"kl_pooled": payload}}).encode())
    worker.say({"type": "progress", "step": 1, "total_steps": 2}, {"type": "stage", "name": payload},
               {"type": "metrics", "step": 1, "values": {"eval/kl_pooled": index + 1, "train/loss": 1.0, payload: 1.0}},
               {"type": "sample", "step": 1, "file": payload, "prompt": payload, "sha256": picture},
               {"type": "eval", "step": 1, "protocol_hash": payload, "file": payload, "sha256": result},
               {"type": "warning", "message": payload}, {"type": "error", "code": payload, "message": payload})
    worker.log(f"{payload}\nend of the log of {index}\n")
    if index + 1 < len(PAYLOADS):
        worker.finish(index % 2, payload)
    return worker


class Xss(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.home = coordinator_of(cls)
        cls.api = Api(cls.home)
        texts = free_texts(cls.api)
        values = [dict.fromkeys(texts, payload) | {"samples.prompts": [payload]} for payload in PAYLOADS]
        submit(cls.api, {"sweep": "board", "description": PAYLOADS[0], "base": {"resources.retries": 0},
                         "runs": {f"r-{i}": value for i, value in enumerate(values)}}, PAYLOADS[0])
        workers = [train(cls.home, i, payload) for i, payload in enumerate(PAYLOADS)]
        cls.last, cls.runs = workers[-1], [worker.key["run_id"] for worker in workers]
        for i, payload in enumerate(PAYLOADS):
            submit(cls.api, {"sweep": f"card-{i}", "description": payload, "report": ["val/loss", payload],
                             "base": {"train.steps": 5} | values[i], "runs": {"one": {}}}, payload)
        cls.address = cls.home.ready()["url"]
        cls.browser = chromium_of(cls)
        page = cls.browser.new_page()
        page.goto(cls.home.login_address())
        await_in(page, "document.querySelector('#pulse').textContent === 'live'")
        cls.signed_in = page.context.storage_state()
        print(f"{len(PAYLOADS)} payloads in {len(texts)} fields of a run and in all that a worker says")

    def open(self, bypass_csp):
        """A page that is signed in, and a list of what it should not have done."""
        context = self.browser.new_context(storage_state=self.signed_in, bypass_csp=bypass_csp)
        self.addCleanup(context.close)
        context.add_init_script(f"({WATCH})()")
        page, faults = context.new_page(), []
        context.on("request", lambda request: request.url.startswith(self.address + "/") or faults.append(request.url))
        page.on("dialog", lambda dialog: (faults.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: faults.append(error.stack or str(error)))
        page.goto(self.address)
        return page, faults

    def shows(self, page, fragment, *texts):
        """Goes there within the page and looks, once all of the texts stand there."""
        page.evaluate("fragment => { location.hash = fragment; }", fragment)
        await_in(page, "texts => texts.every((one) => document.querySelector('main').textContent.includes(one))", list(texts))
        self.assertEqual(page.evaluate(LOOK), CLEAN, fragment)

    def tour(self, page, step):
        self.shows(page, "#/", *PAYLOADS)
        self.shows(page, "#/queue", *PAYLOADS)
        self.shows(page, "#/sweep/board", *PAYLOADS)
        for i in range(0, len(PAYLOADS), step):
            self.shows(page, f"#/sweep/card-{i}", PAYLOADS[i])
            self.shows(page, f"#/run/{self.runs[i]}", f"end of the log of {i}")
            shown = page.evaluate("text => document.querySelector('main').textContent.split(text).length - 1", PAYLOADS[i])
            self.assertGreaterEqual(shown, LEAST_SHOWN, PAYLOADS[i])

    def test_1_what_is_taken_for_markup_would_be_seen(self):
        page, faults = self.open(bypass_csp=True)
        page.evaluate(PROVOKE, f"<img src=x onerror={RUN}>")
        await_in(page, "window.canary === 1")
        self.assertNotEqual(page.evaluate(LOOK)["found"], [])
        page.evaluate(PROVOKE, "<img src=//evil.example/x.png>")
        await_in(page, "document.querySelector('#provoked img').complete")
        self.assertEqual(faults, [f"{self.address.split('//')[0]}//evil.example/x.png"])

    def test_2_nothing_runs_even_without_the_policy(self):
        page, faults = self.open(bypass_csp=True)
        self.tour(page, 1)
        self.assertEqual(faults, [])

    def test_3_the_policy_has_nothing_to_refuse_but_what_is_provoked(self):
        page, faults = self.open(bypass_csp=False)
        self.tour(page, 8)
        page.evaluate(PROVOKE, f"<img src=data:, onerror={RUN}>")
        await_in(page, "window.refused.length > 0")
        seen = page.evaluate(LOOK)
        self.assertEqual([seen["canary"], seen["refused"]], [0, ["script-src-attr inline"]])
        self.assertEqual(faults, [])

    def test_4_the_address_is_only_text(self):
        page, faults = self.open(bypass_csp=True)
        for payload in PAYLOADS:
            page.evaluate("text => { location.hash = `#/run/${encodeURIComponent(text)}`; }", payload)
            self.assertEqual(page.evaluate(LOOK), CLEAN, payload)
            page.evaluate("text => { location.hash = `#/sweep/card-0?sort=${encodeURIComponent(text)}`; }", payload)
            page.evaluate("text => { location.hash = `#/sweep/${encodeURIComponent(text)}`; }", payload)
            await_in(page, "text => document.querySelector('h1').textContent === text", payload)
            self.assertEqual(page.evaluate(LOOK), CLEAN, payload)
        self.assertEqual(faults, [])

    def test_5_a_file_is_never_a_page(self):
        page, faults = self.open(bypass_csp=True)
        for vector in VECTORS:
            html = f"<!doctype html><title>x</title>{vector.format(run=RUN)}".encode()
            for data, mime in ((html, "application/octet-stream"), (PNG[:8] + html, "image/png")):
                target = f"/api/v1/artifacts/{self.last.upload(data)}"
                head = self.api.get(target)
                self.assertEqual([head.header("Content-Type"), head.header("X-Content-Type-Options")], [mime, "nosniff"])
                try:
                    page.goto(self.address + target)
                except Error as error:
                    self.assertIn("Download is starting", str(error))
                self.assertEqual(page.evaluate("window.canary ?? 0"), 0, vector)
        self.assertEqual(faults, [])

    def test_6_names_take_none_of_it(self):
        for payload in PAYLOADS:
            for sweep in ({"sweep": payload, "runs": {"one": {}}}, {"sweep": "x", "runs": {payload: {}}},
                          {"sweep": "x", "studies": {payload: {"runs": {"one": {}}}}}):
                text = json.dumps({"version": 1, "base": {"model.path": "m", "data.path": "d"}, **sweep})
                answer = self.api.post("/api/v1/sweeps", {"text": text})
                self.assertEqual((answer.status, answer.json()["diagnostics"][0]["code"]), (422, "bad_name"), payload)


if __name__ == "__main__":
    unittest.main(verbosity=2)
