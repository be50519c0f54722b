"""The built pages in a real browser, opened as a reader opens them: as files, without a server or a network."""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from playwright.sync_api import Error, sync_playwright

import book


def toc() -> list[str]:
    """The pages of _toc.yml, in order."""
    contents = yaml.safe_load((book.ROOT / "_toc.yml").read_text(encoding="utf-8"))
    return [contents["root"], *(chapter["file"] for part in contents["parts"] for chapter in part["chapters"])]


@pytest.fixture(scope="module")
def site() -> Path:
    """The folder of the strictly built book; at once where nothing has changed since the last build."""
    done = book.build()
    assert not done or done.returncode == 0, done.stderr
    return book.INDEX.parent


@pytest.fixture(scope="module")
def browser():
    """Chromium or Chrome, wherever it is."""
    names = ("chromium", "chromium-browser", "google-chrome")
    path = next(filter(None, map(shutil.which, names)), None)
    with sync_playwright() as playwright:
        try:
            where = {"executable_path": path} if path else {"channel": "chrome"}
            browser = playwright.chromium.launch(**where, args=["--no-sandbox"])
        except Error as error:
            missing = "the site tests need Chromium or Chrome: install one (Debian: apt install chromium)"
            if path or os.environ.get("CI"):
                pytest.fail(f"{missing}; {error.message.splitlines()[0]}", pytrace=False)
            pytest.skip(missing)
        yield browser
        browser.close()


# What is wrong with the page as it stands, as a list of sentences.
INSPECT = r"""
() => {
  const wrong = [], dark = document.documentElement.dataset.theme === "dark"
  const light = colour => colour.match(/[\d.]+/g).slice(0, 3).every(x => x > 200)
  const width = document.documentElement.clientWidth
  for (const box of [document.documentElement, document.body])
    if (box.scrollWidth > width) wrong.push(`${box.tagName} is ${box.scrollWidth} wide in a window of ${width}`)
  for (const img of document.images) {
    if (!img.alt.trim()) wrong.push(`${img.src.split("/").pop()} has no alt text`)
    if (img.complete && !img.naturalWidth) wrong.push(`${img.src} does not load`)
  }
  for (const img of document.querySelectorAll("figure img, .cell_output img")) {
    const style = getComputedStyle(img)
    if (dark && !(light(style.backgroundColor) && style.filter === "none"))
      wrong.push(`${img.src.split("/").pop()} does not lie on a light card`)
  }
  if (light(getComputedStyle(document.body).backgroundColor) === dark) wrong.push("the background is of the other mode")
  if (light(getComputedStyle(document.querySelector(".bd-article p")).color) !== dark)
    wrong.push("the text is of the other mode")
  const formulas = document.querySelectorAll(".math").length
  const drawn = document.querySelectorAll(".math mjx-container").length
  if (formulas !== drawn) wrong.push(`${drawn} of ${formulas} formulas are drawn`)
  if (document.querySelector("mjx-merror")) wrong.push("a formula holds an error")
  const article = document.querySelector(".bd-article").cloneNode(true)
  article.querySelectorAll("pre, code, .math").forEach(node => node.remove())
  for (const raw of article.textContent.match(/\$[^$\n]+\$|\\[([]|\{(numref|ref|cite\S*|doc|eq)\}/g) || [])
    wrong.push(`the source shows: ${raw}`)
  return wrong
}
"""


@pytest.mark.parametrize(("scheme", "width"), [("light", 1400), ("dark", 400)])
@pytest.mark.parametrize("name", toc())
def test_page_in_a_browser(site, browser, name, scheme, width):
    wrong = []
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda m: wrong.append(f"console: {m.text}") if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: wrong.append(f"script: {error}"))
    page.on("requestfailed", lambda r: wrong.append(f"failed: {r.url}"))
    page.on("request", lambda r: wrong.append(f"asked for {r.url}") if r.url.startswith(("http", "ws")) else None)
    page.goto((site / f"{name}.html").as_uri())
    page.evaluate("() => window.MathJax ? MathJax.startup.promise : null")
    page.evaluate("() => document.querySelectorAll('img').forEach(img => img.loading = 'eager')")
    page.wait_for_function("() => [...document.images].every(img => img.complete)")
    wrong += page.evaluate(INSPECT)
    context.close()
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", toc())
def test_page_as_a_file(site, name):
    """Sizes, links and anchors, and nothing that is loaded from elsewhere."""
    path = site / f"{name}.html"
    html = path.read_text(encoding="utf-8")
    assert len(html.encode()) < 1_500_000
    assert "jupyter.widget" not in html
    assert not re.findall(r"<(?:script|link|img|iframe)\b[^>]*\b(?:src|href)=[\"'](?:https?:)?//[^>]*>", html)
    for link in set(re.findall(r"<a\b[^>]*\bhref=\"([^\"]*)\"", html)):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (path.parent / file.partition("?")[0]).resolve() if file else path
        assert target.is_file(), f"{name}: {link} leads nowhere"
        if anchor:
            assert f'id="{anchor}"' in target.read_text(encoding="utf-8"), f"{name}: {link} has no such place"


def test_the_map_is_true():
    """Every notebook is in the table of contents, and the landing page links to exactly those that exist."""
    written = {path.stem for path in (book.ROOT / "notebooks").glob("*.ipynb")}
    linked = re.findall(r"notebooks/(\w+)\.ipynb", (book.ROOT / "book" / "index.md").read_text(encoding="utf-8"))
    assert written == {Path(name).name for name in toc() if name.startswith("notebooks/")} == set(linked)
