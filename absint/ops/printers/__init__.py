"""Bodies of operations as code: NumPy, Numba, vectors, C and CUDA."""
