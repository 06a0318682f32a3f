"""Benchmarks: one module each with `run(seed)`; its docstring says what it measures; figures are printed last."""
