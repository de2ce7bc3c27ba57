"""The questions that every program is put to."""
