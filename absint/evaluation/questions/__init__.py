"""Questions about programs, one file each; found by `absint.base.registry`."""
