"""Write book/claims.md, build the book strictly and print the file to open: python tools/book.py [--fresh].

--fresh is for the tests: it forgets the last build and takes book/claims.md as it is, so that a stale one is noticed.
"""

import shutil
import subprocess
import sys
from itertools import chain
from pathlib import Path

import claims

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "_build"
INDEX = BUILD / "html" / "index.html"


def is_current() -> bool:
    """Whether no source has changed since the last build (folders count: theirs changes with what they hold)."""
    files = chain(ROOT.glob("_*.yml"), ROOT.glob("requirements*.txt"), (ROOT / "bertmini").rglob("*.py"))
    folders = (path for name in ("book", "notebooks") for path in [ROOT / name, *(ROOT / name).rglob("*")])
    newest = max(path.stat().st_mtime for path in chain(files, folders))
    return INDEX.exists() and INDEX.stat().st_mtime > newest


def build() -> subprocess.CompletedProcess | None:
    """Run jupyter-book; any warning fails the build. Returns the finished process, or None where all is up to date.

    All pages or none: built one by one, a changed title stays old in the menus of the other pages, and a warning
    about a page that has not changed is not repeated. A build that fails is removed, for the same reason.
    """
    if is_current():
        return None
    shutil.rmtree(BUILD, ignore_errors=True)
    jupyter_book = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    done = subprocess.run([*jupyter_book, "build", ROOT, "-q", "-W", "-n", "--keep-going"],
                          capture_output=True, text=True, encoding="utf-8", errors="replace")
    if done.returncode:
        shutil.rmtree(BUILD, ignore_errors=True)
    return done


if __name__ == "__main__":
    if sys.argv[1:] == ["--fresh"]:
        shutil.rmtree(BUILD, ignore_errors=True)
    else:
        claims.write()
    done = build()
    if done and done.returncode:
        print(done.stderr, "The book was not built: mend what the warnings above name.", sep="\n")
        sys.exit(1)
    print(f"The book is built. Open {INDEX}")
