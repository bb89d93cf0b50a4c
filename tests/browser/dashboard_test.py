"""The dashboard in real chromium in front of a real coordinator, worker and trainer.

Writes screenshots into $SARSWEEP_SHOTS (default build/trainer/screenshots) to be looked at.
"""
import os
import pathlib
import sys
import unittest

from playwright.sync_api import expect

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
from chromium import chromium_of  # noqa: E402
from home import Home, small_sweep, workshop  # noqa: E402

SHOTS = pathlib.Path(os.environ.get("SARSWEEP_SHOTS", ROOT / "build/trainer/screenshots"))


class Dashboard(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        SHOTS.mkdir(parents=True, exist_ok=True)
        shop = workshop()
        cls.base = shop.__enter__()
        cls.addClassCleanup(shop.__exit__, None, None, None)
        cls.home = Home(cls.base / "home", cls.base / "tiny", cls.base / "mini").up()
        cls.addClassCleanup(cls.home.down)
        cls.browser = chromium_of(cls)
        cls.context = cls.browser.new_context(viewport={"width": 1440, "height": 900})
        cls.page = cls.context.new_page()
        cls.faults = []
        cls.page.on("pageerror", lambda error: cls.faults.append(error.stack or str(error)))
        cls.page.on("console", lambda message: cls.faults.append(message.text) if message.type == "error" else None)
        cls.page.goto(cls.home.login_address())
        cls.address = cls.home.ready()["url"]

    def shot(self, name, page=None, **options):
        (page or self.page).screenshot(path=str(SHOTS / f"{name}.png"), **options)

    def test_1_a_stranger_is_asked_to_sign_in(self):
        page = self.browser.new_context().new_page()
        page.goto(self.address)
        expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
        self.shot("sign-in", page)
        page.goto(self.home.cli("login").strip())
        expect(page.get_by_role("heading", name="Sweeps", exact=True)).to_be_visible()

    def test_2_the_leaderboard_fills_without_reload_and_a_run_is_cancelled_by_its_button(self):
        page = self.page
        expect(page.get_by_text("No sweeps yet")).to_be_visible()
        self.home.submit("shown", small_sweep(self.base, "shown", 40, "  slow: {train.steps: 5000}\n"))
        page.get_by_role("link", name="shown").click()
        row = page.locator('tr[data-name="target"]')
        expect(row.locator(".chip")).to_have_text("done", timeout=180_000)
        expect(row.locator("td.rank")).to_have_text("1")
        expect(row.locator("img.thumb")).to_be_visible()
        board = self.home.document("leaderboard", "shown")
        best = next(one for one in board if one["name"] == "target")
        shown = row.locator("td.num strong").first
        self.assertEqual(float(shown.locator("xpath=..").get_attribute("title")), best["metrics"]["eval/kl_pooled"]["mean"])
        self.shot("leaderboard-desktop")

        page.get_by_role("link", name="slow").click()
        expect(page.get_by_role("heading", name="slow")).to_contain_text("running", timeout=60_000)
        expect(page.locator(".chart .scatterlayer path.js-line").first).to_be_visible(timeout=60_000)
        self.shot("run-running", full_page=True)
        page.get_by_role("button", name="cancel").click()
        expect(page.get_by_role("heading", name="slow")).to_contain_text("cancelled", timeout=30_000)
        self.assertEqual(self.home.run("slow")["state"], "cancelled")
        self.assertEqual(self.faults, [])

    def test_3_columns_sort_by_keyboard(self):
        page = self.page
        page.goto(f"{self.address}/#/sweep/shown")
        heading = page.locator('th button[data-column="name"]')
        heading.focus()
        page.keyboard.press("Enter")
        expect(page.locator('th[aria-sort="ascending"]')).to_contain_text("run")
        names = page.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.name)")
        self.assertEqual(names, sorted(names))
        page.keyboard.press("Enter")
        expect(page.locator('th[aria-sort="descending"]')).to_contain_text("run")
        self.assertIn("sort=name", page.url)

    def test_4_pages_fit_a_phone_and_the_dark(self):
        state = self.context.storage_state()
        target = self.home.run("target")["id"]
        for name, options in {"phone": {"viewport": {"width": 390, "height": 844}, "device_scale_factor": 2},
                              "dark": {"viewport": {"width": 1440, "height": 900}, "color_scheme": "dark"},
                              "desktop": {"viewport": {"width": 1440, "height": 900}}}.items():
            page = self.browser.new_context(storage_state=state, **options).new_page()
            for place, fragment in {"sweeps": "/", "leaderboard": "/sweep/shown", "run": f"/run/{target}", "queue": "/queue"}.items():
                page.goto(f"{self.address}/#{fragment}")
                page.reload()
                expect(page.locator("#pulse")).to_have_text("live", timeout=30_000)
                expect(page.locator("main .card, main .notice").first).to_be_visible()
                if place == "run":
                    expect(page.locator(".chart .scatterlayer path.js-line").first).to_be_visible(timeout=30_000)
                wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                self.assertFalse(wide, f"{place} scrolls sideways on {name}")
                self.shot(f"{place}-{name}", page, full_page=place == "run")

    def test_5_the_queue_page_says_who_drained_a_worker(self):
        self.page.goto(f"{self.address}/#/queue")
        card = self.page.locator("main article.card")
        expect(card).to_contain_text("live", timeout=30_000)
        self.home.cli("worker", "drain", "--all")
        expect(card.locator(".badge")).to_have_text("drained by admin", timeout=30_000)
        self.shot("queue-drained")
        self.home.cli("worker", "undrain", "--all")
        expect(card.locator(".badge")).to_have_count(0, timeout=30_000)
        self.assertEqual(self.faults, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
