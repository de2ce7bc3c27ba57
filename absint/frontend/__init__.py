"""Text and Python expressions in, graphs out."""
