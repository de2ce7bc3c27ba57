"""Analyses and rewrites, one file each; found by `absint.base.registry`."""
