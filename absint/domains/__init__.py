"""Abstract domains, one file each; found by `absint.base.registry`."""
