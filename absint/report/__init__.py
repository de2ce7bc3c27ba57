"""The report on an optimisation: its data, and how it is drawn as tables and as a page."""
