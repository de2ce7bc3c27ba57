"""The report on an optimisation: its data, and the data as tables and as a page."""
