"""Make .venv and install into it all that the book needs.

    python tools/install.py [URL]      URL: an extra package index to take torch from
    python tools/install.py --check    only look whether this Python will do

Runs before anything is installed, so it uses the standard library only, and nothing that Python 3.6 cannot read.
"""

import os
import platform
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def refusal():
    """One sentence on why this Python will not do, or None."""
    here = f"{sys.executable} is Python {platform.python_version()}"
    if not (3, 11) <= sys.version_info[:2] <= (3, 13):
        return f"{here}, and this book needs 3.11, 3.12 or 3.13: name one, as in `make PYTHON=python3.12 book`."
    if platform.system() == "Darwin" and platform.machine() == "x86_64":
        return f"{here} on an Intel Mac, for which there is no PyTorch 2.13: use another machine."
    try:
        import ensurepip  # noqa: F401
    except ImportError:
        return f"{here} without ensurepip: install its venv package (Debian and Ubuntu: apt install python3-venv)."
    return None


def same_python():
    """Whether .venv holds a Python of this very version that still starts."""
    ask = [str(PYTHON), "-c", "import sys; print(sys.version)"]
    try:
        return subprocess.check_output(ask, universal_newlines=True).strip() == sys.version
    except (OSError, subprocess.CalledProcessError):
        return False


def pip(*words):
    install = [str(PYTHON), "-m", "pip", "install", "--disable-pip-version-check"]
    subprocess.run([*install, *words], cwd=str(ROOT), check=True)


def main(words):
    problem = refusal()
    if problem:
        sys.stderr.write(problem + "\n")
        return 2
    if words == ["--check"]:
        return 0
    if not same_python():
        venv.create(str(VENV), clear=True, with_pip=True)
    try:
        if words:
            pins = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
            torch = next(pin for pin in pins if pin.startswith("torch=="))
            pip("--no-deps", "--extra-index-url", words[0], torch)
        pip("-r", "requirements.txt")
        pip("--no-deps", "--require-hashes", "-r", "requirements-nodeps.txt")
        pip("--no-deps", "--no-build-isolation", "--editable", ".")
    except subprocess.CalledProcessError as error:
        sys.stderr.write("Nothing is lost: pip stopped (its last lines say why); run the same command again.\n")
        return error.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
