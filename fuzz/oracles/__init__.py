"""Oracles: the properties with which every program is checked."""
