"""Inner loops written in Numba, each module a unit for `absint.native`. Only modules here import Numba."""
