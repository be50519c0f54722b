"""Run notebooks from top to bottom in fresh kernels and store their outputs: python tools/execute.py [NOTEBOOK ...].

What differs from run to run without meaning (timings, widget state, the Python's patch version) is not stored.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent


def execute(path: Path) -> None:
    """Run one notebook in its own folder; an error in a cell is raised and nothing is stored."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": path.parent}}, record_timing=False,
                   coalesce_streams=True, extra_arguments=["--log-level=ERROR"]).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in notebook.cells:
        for name in ("execution", "collapsed", "scrolled"):
            cell.metadata.pop(name, None)
        for output in cell.get("outputs", []):
            # A widget's view needs the state that is not stored; its text says as much.
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    for path in [Path(name) for name in sys.argv[1:]] or sorted((ROOT / "notebooks").glob("*.ipynb")):
        print(path.name, flush=True)
        execute(path)
