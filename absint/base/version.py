"""The version of absint."""

__version__ = "0.1.0"
