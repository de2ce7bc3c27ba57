"""`from absint.text import text`: what `absint.shapes.lettering` draws, under its public name."""

from absint.shapes.lettering import ALIGNMENTS, HEAVIEST, LINE_HEIGHT, PEN, text, text_width

__all__ = ["ALIGNMENTS", "HEAVIEST", "LINE_HEIGHT", "PEN", "text", "text_width"]
