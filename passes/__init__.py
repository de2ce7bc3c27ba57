"""Rewrites of programs, one file each; found by `absint.base.registry`."""
