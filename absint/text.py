"""`from absint.text import text`: what `absint.shapes.lettering` draws, under its public name."""

from absint.shapes.lettering import text, text_width

__all__ = ["text", "text_width"]
