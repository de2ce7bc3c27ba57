"""Backends, one file or folder each; found by `absint.base.registry`."""
