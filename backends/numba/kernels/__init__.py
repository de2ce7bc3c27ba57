"""Inner loops of the CPU engine, compiled by Numba."""
