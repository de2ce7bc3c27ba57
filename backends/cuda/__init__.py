"""The engine of the backends that run CUDA kernels: `cupy` on a GPU, `cuda_shim` on a CPU."""
