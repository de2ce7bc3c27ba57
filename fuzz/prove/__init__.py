"""Proofs of the rewrite rules."""
