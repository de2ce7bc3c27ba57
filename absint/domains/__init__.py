"""Abstract domains, one file each; found by `absint.registry`."""
