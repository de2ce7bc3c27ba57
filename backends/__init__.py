"""Evaluators, one file or folder each; found by `absint.registry`."""
