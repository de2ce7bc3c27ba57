/* CUDA's threads on a CPU: what the kernels use of CUDA, so that g++ compiles them and their logic can be run,
   tested and searched for memory errors where there is no GPU.

   Every thread of a block is a fiber; the blocks of a grid run one after the other. A fiber runs until it has
   to wait for others, in an order that the launch chooses: results that depend on it are bugs. What real
   threads could do at once between two such points is not seen, nor is the order in which memory becomes
   visible. Shared memory that a block has not written is poison. */

#ifndef ABSINT_SHIM
#define ABSINT_SHIM

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <math.h>
#include <ucontext.h>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#endif

#define __global__
#define __device__
#define DEVICE static inline
#define CALLED static __attribute__((noinline))
#define __shared__ static
#define KERNEL(name) extern "C" void name
#define SHARED_BYTES(name) unsigned char* name = shim::shared_bytes

using std::max;
using std::min;

struct dim3 { unsigned x, y, z; };
struct alignas(8) int2 { int x, y; };
struct alignas(8) uint2 { unsigned x, y; };
struct alignas(16) int4 { int x, y, z, w; };

namespace shim {

const unsigned LANES = 32;
const size_t STACK_BYTES = 256 << 10;
const size_t SHARED_BYTES_MOST = 48 << 10;

struct Fiber {
    ucontext_t context;
    char* stack;
    bool done;
    dim3 thread;
    unsigned collectives;
    void* sanitizer_stack;
};

/* Who waits together: the fibers of a block, or of a warp. */
struct Meeting { unsigned arrived, number; };

struct Warp { Meeting meeting; uint64_t given[2][LANES]; };

static std::vector<Fiber> fibers;
static std::vector<Warp> warps;
static Meeting block_meeting;
static unsigned current, living;
static bool progress;
static const char* complaint;
static dim3 block_number, block_size, grid_size;
alignas(16) static unsigned char shared_bytes[SHARED_BYTES_MOST];
static ucontext_t scheduler;
static void* scheduler_sanitizer_stack;
static const void* scheduler_bottom;
static size_t scheduler_bytes;

static void (*kernel)(const long long*);
static const long long* arguments;

static void enter_scheduler(bool last)
{
    Fiber& fiber = fibers[current];
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(last ? nullptr : &fiber.sanitizer_stack, scheduler_bottom, scheduler_bytes);
#endif
    swapcontext(&fiber.context, &scheduler);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(fiber.sanitizer_stack, nullptr, nullptr);
#endif
    (void)last;
}

static void enter_fiber(Fiber& fiber)
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_start_switch_fiber(&scheduler_sanitizer_stack, fiber.stack, STACK_BYTES);
#endif
    swapcontext(&scheduler, &fiber.context);
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(scheduler_sanitizer_stack, nullptr, nullptr);
#endif
}

static void run_thread()
{
#if defined(__SANITIZE_ADDRESS__)
    __sanitizer_finish_switch_fiber(nullptr, &scheduler_bottom, &scheduler_bytes);
#endif
    kernel(arguments);
    fibers[current].done = true;
    living--;
    progress = true;
    enter_scheduler(true);
}

/* Wait until `needed()` fibers have come. */
template <class Needed>
static void meet(Meeting& meeting, Needed needed)
{
    unsigned number = meeting.number;
    meeting.arrived++;
    while (meeting.number == number) {
        if (meeting.arrived >= needed()) {
            meeting.arrived = 0;
            meeting.number++;
            progress = true;
            return;
        }
        enter_scheduler(false);
    }
}

/* What all lanes of this fiber's warp give; every lane must come. */
static const uint64_t* collect(unsigned mask, uint64_t given)
{
    Fiber& fiber = fibers[current];
    unsigned lane = fiber.thread.x % LANES;
    if (mask != 0xffffffffu) complaint = "a collective operation of a part of a warp";
    Warp& warp = warps[fiber.thread.x / LANES];
    uint64_t* slots = warp.given[fiber.collectives++ % 2]; /* those of the last one may still be read */
    slots[lane] = given;
    meet(warp.meeting, [] { return LANES; });
    return slots;
}

/* The next of the orders in which fibers are visited. */
static void shuffle(std::vector<unsigned>& order, uint64_t& seed)
{
    for (size_t i = order.size(); i > 1; i--) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        std::swap(order[i - 1], order[(seed >> 33) % i]);
    }
}

static void run_block(std::vector<unsigned>& order, uint64_t& seed)
{
    unsigned count = (unsigned)order.size();
    block_meeting = Meeting();
    warps.assign(count / LANES, Warp());
    memset(shared_bytes, 0xA5, sizeof shared_bytes);
    living = count;
    for (unsigned i = 0; i < count; i++) {
        Fiber& fiber = fibers[i];
        fiber.done = false;
        fiber.collectives = 0;
        fiber.thread = dim3{i, 0, 0};
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack;
        fiber.context.uc_stack.ss_size = STACK_BYTES;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_thread, 0);
    }
    while (living && !complaint) {
        if (seed > 1) shuffle(order, seed);
        progress = false;
        for (unsigned i : order) {
            if (fibers[i].done) continue;
            current = i;
            enter_fiber(fibers[i]);
        }
        if (!progress) complaint = "threads wait for others that do not come";
    }
}

} // namespace shim

#define threadIdx (shim::fibers[shim::current].thread)
#define blockIdx shim::block_number
#define blockDim shim::block_size
#define gridDim shim::grid_size

static inline void __syncthreads()
{
    shim::meet(shim::block_meeting, [] { return shim::living; }); /* threads that are done count as come */
}
static inline void __syncwarp() { shim::collect(0xffffffffu, 0); }
static inline unsigned __ballot_sync(unsigned mask, int given)
{
    const uint64_t* all = shim::collect(mask, given != 0);
    unsigned bits = 0;
    for (unsigned i = 0; i < shim::LANES; i++) bits |= (unsigned)all[i] << i;
    return bits;
}
static inline int __any_sync(unsigned mask, int given) { return __ballot_sync(mask, given) != 0; }
template <class T>
static inline T __shfl_sync(unsigned mask, T given, int lane)
{
    uint64_t bits = 0;
    memcpy(&bits, &given, sizeof given);
    bits = shim::collect(mask, bits)[(unsigned)lane % shim::LANES];
    memcpy(&given, &bits, sizeof given);
    return given;
}
template <class T>
static inline T __shfl_up_sync(unsigned mask, T given, unsigned distance)
{
    unsigned lane = threadIdx.x % shim::LANES;
    return __shfl_sync(mask, given, (int)(lane >= distance ? lane - distance : lane));
}
static inline unsigned long long atomicAdd(unsigned long long* place, unsigned long long value)
{
    unsigned long long before = *place;
    *place += value;
    return before;
}
static inline unsigned atomicOr(unsigned* place, unsigned bits)
{
    unsigned before = *place;
    *place |= bits;
    return before;
}
static inline int __ffs(int bits) { return __builtin_ffs(bits); }

namespace shim {

typedef long long L;
/* Kernels take pointers and whole numbers of eight bytes, which come the same way. */
template <int... I>
struct Places {};
template <int N, int... I>
struct MakePlaces : MakePlaces<N - 1, N - 1, I...> {};
template <int... I>
struct MakePlaces<0, I...> { typedef Places<I...> type; };
static void* target;
template <int... I>
static void call_with(const L* a, Places<I...>)
{
    ((void (*)(decltype((void)I, L())...))target)(a[I]...);
}
template <int N>
static void call(const L* a)
{
    call_with(a, typename MakePlaces<N>::type());
}
template <int... I>
static void (*caller_of(int count, Places<I...>))(const L*)
{
    static void (*const callers[])(const L*) = {call<I>...};
    return count < (int)sizeof...(I) ? callers[count] : nullptr;
}

} // namespace shim

/* Run a kernel. `seed`: 0 visits threads upwards, 1 downwards, others in random orders. Returns what is wrong
   with the kernel, or NULL. One launch at a time. */
extern "C" const char* shim_launch(
    void* function, long long blocks, long long threads, long long bytes, const long long* given, long long count,
    uint64_t seed)
{
    using namespace shim;
    if (threads % LANES || threads > 1024 || bytes > (long long)SHARED_BYTES_MOST) return "a launch that no GPU takes";
    kernel = caller_of((int)count, MakePlaces<33>::type());
    if (!kernel) return "too many arguments";
    target = function;
    arguments = given;
    complaint = nullptr;
    grid_size = dim3{(unsigned)blocks, 1, 1};
    block_size = dim3{(unsigned)threads, 1, 1};
    while (fibers.size() < (size_t)threads) {
        fibers.emplace_back();
        fibers.back().stack = (char*)malloc(STACK_BYTES);
    }
    std::vector<unsigned> order(threads);
    for (unsigned i = 0; i < order.size(); i++) order[i] = seed == 1 ? (unsigned)threads - 1 - i : i;
    for (long long i = 0; i < blocks && !complaint; i++) {
        block_number = dim3{(unsigned)i, 0, 0};
        run_block(order, seed);
    }
    return complaint;
}

#endif
