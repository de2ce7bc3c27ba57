"""Facts about programs that passes ask for."""
