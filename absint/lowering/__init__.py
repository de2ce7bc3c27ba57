"""Lowered programs: predicates in place of numbers, and the plans that engines draw."""
