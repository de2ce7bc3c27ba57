"""Analyses: facts about programs, for passes; found by `absint.base.registry`."""
