"""Inner loops of the lowering passes, compiled by Numba."""
