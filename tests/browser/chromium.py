"""Headless chromium for tests. CHROMIUM names another one than the system's."""
import os
import pathlib
import sys

from playwright.sync_api import sync_playwright

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
from home import until  # noqa: E402

PROGRAM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


def chromium_of(tests):
    """A browser for the tests of a class, and then gone."""
    playwright = sync_playwright().start()
    tests.addClassCleanup(playwright.stop)
    browser = playwright.chromium.launch(executable_path=PROGRAM, args=["--no-sandbox"])
    tests.addClassCleanup(browser.close)
    return browser


def await_in(page, predicate, arg=None):
    """Asks the page from outside: wait_for_function may evaluate text within it, which its policy forbids."""
    until(lambda: page.evaluate(predicate, arg), 30, predicate)
