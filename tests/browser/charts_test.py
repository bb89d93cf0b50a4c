"""The charts' module in real chromium: resized, redrawn and closed while Plotly is still at work."""
import functools
import http.server
import pathlib
import threading
import unittest

from chromium import chromium_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLOTLY = next((ROOT / ".venv").glob("lib/python3*/site-packages/plotly/package_data/plotly.min.js"))

# Forty charts, none of which waits for another: the width of the cards changes while the first draw is under way,
# two draws run into each other, and every second chart is closed before its draw can have ended.
TURMOIL = """async () => {
  const {chart} = await import("/charts.js");
  const turn = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const drawing = [];
  for (let i = 0; i < 40; i++) {
    const one = chart("loss");
    document.querySelector("main").append(one.element);
    one.element.style.width = "400px";
    const points = Array.from({length: 30}, (_, step) => [step, step + 1, 1]);
    drawing.push(one.show(points, [], {logarithmic: i % 3 === 0}));
    if (i % 4 === 0) await turn();
    one.element.style.width = `${420 + i}px`;
    drawing.push(one.show(points, [10]));
    if (i % 2) one.close();
    await turn();
  }
  await Promise.all(drawing);
  await turn();
  return document.querySelectorAll(".chart .scatterlayer path.js-line").length;
}"""


class Files(http.server.SimpleHTTPRequestHandler):
    def translate_path(self, path):
        return str(PLOTLY) if path == "/plotly.min.js" else super().translate_path(path)

    def do_GET(self):
        if self.path != "/":
            return super().do_GET()
        page = b"<!doctype html><link rel=icon href=data:,><main></main>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, *_):
        pass


class Charts(unittest.TestCase):
    def test_a_chart_resized_redrawn_or_closed_while_it_draws_throws_nothing(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Files, directory=ROOT / "dashboard"))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        page = chromium_of(type(self)).new_page()
        faults = []
        page.on("pageerror", lambda error: faults.append(error.stack or str(error)))
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        lines = page.evaluate(TURMOIL)
        self.assertEqual(faults, [])
        self.assertEqual(lines, 20, "the charts left open show their line")


if __name__ == "__main__":
    unittest.main(verbosity=2)
