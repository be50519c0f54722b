"""The measurements that take too long for a page: one module a chapter, named after it, each with its `RUNS`.

RUNS: name -> a function without arguments that measures and returns what JSON can hold. `tools/runs.py` records them.
"""
