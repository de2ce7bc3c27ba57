"""What can be asked of a program, one question a file; found by `absint.base.registry`."""
