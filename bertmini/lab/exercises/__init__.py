"""The exercises' right answers, common mistakes and hints: one module a chapter, named after it."""
