"""The fuzzer: random programs, oracles that check them, reduction of finds, and proofs of the
rewrite rules.
"""
