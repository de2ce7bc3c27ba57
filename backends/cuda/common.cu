/* What all kernels share. Written in front of it: `real`, the op bodies, `value_of` and `bound_of`.

   Every argument of a kernel has eight bytes, a pointer or an `i64`, so that one way of calling serves all.
   Kernels loop over their work with a stride of the whole grid: any grid gives the same results. */

typedef long long i64;
typedef unsigned long long u64;
typedef unsigned int u32;
typedef unsigned char u8;

#define WARP 32
#define EVERY_LANE 0xffffffffu

/* Four blocks to a multiprocessor: with fewer registers each, kernels spill. */
#ifndef ABSINT_SHIM
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(128, 4) name
#define SHARED_BYTES(name) extern __shared__ __align__(16) u8 name[]
#endif

DEVICE i64 thread_number() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
DEVICE i64 thread_count() { return (i64)gridDim.x * blockDim.x; }

DEVICE u32 lowest_bit(u32 bits) { return (u32)__ffs((int)bits) - 1; }

/* Rows (or columns) from `first` up to `end` of 32, as bits. */
DEVICE u32 bits_between(int first, int end)
{
    first = first < 0 ? 0 : first;
    end = end > WARP ? WARP : end;
    if (first >= end) return 0;
    return (EVERY_LANE << first) & (EVERY_LANE >> (WARP - end));
}

/* How many of n rising samples are below a threshold; with `falling`, how many of n falling ones are not. */
DEVICE int count_before(const real* samples, i64 n, double threshold, bool falling)
{
    i64 low = 0, high = n;
    while (low < high) {
        i64 middle = (low + high) >> 1;
        if (((double)samples[middle] < threshold) != falling) low = middle + 1;
        else high = middle;
    }
    return (int)low;
}

/* What is fixed for a picture: `~0` is x, `~1` is y, `~(2 + k)` the k-th fixed value. */
DEVICE real special(int operand, real x, real y, const real* fixed)
{
    return operand == ~0 ? x : operand == ~1 ? y : fixed[~operand - 2];
}

/* What flushing subnormal numbers to zero would change: `values` are 2, half the least normal number, 0 and the
   negative of the least number; found are product and quotient of the first two, and whether 0 is below zero. */
KERNEL(try_subnormals)(const real* values, real* found)
{
    if (thread_number() != 0) return;
    found[0] = values[0] * values[1];
    found[1] = values[1] / values[0];
    found[2] = values[2] <= values[3] ? (real)1 : (real)0;
}
