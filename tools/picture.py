"""Take the README's picture of a page from the built book: python tools/picture.py."""

import shutil
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.goto((ROOT / "_build/html/notebooks/02_embeddings.html").as_uri())
        page.locator("mjx-container").first.wait_for()
        figure = page.locator("section#one-matrix-instead-of-three img").first
        figure.evaluate("image => image.scrollIntoView({block: 'center'})")
        page.screenshot(path=ROOT / "book/_static/page.png")
        browser.close()
