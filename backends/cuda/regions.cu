/* Regions: what is not made of small terms is specialised for ever smaller parts of the picture.

   A warp bounds a program on 32 regions at once, one to a lane, decides its predicates where the bounds do,
   and writes for each undecided region the shorter program that is left there. Large regions, `LARGE` by `LARGE`
   pixels, are divided into small ones, `SMALL_WIDTH` by `SMALL_HEIGHT`, and these are drawn: bounded once more, on blocks of 4 by
   4, and run on the pixels of the undecided blocks, two blocks at a time.

   A step is int4: the node's number, its operands (or first item and count), and operation + 256 * kind. An
   operand from 0 on is an earlier step, others are special. Lanes run the same steps and share nothing but
   the tape: each has its own bounds and facts. After Duff (1992) and Keeter (2020); the same as
   `absint.backends.numba.kernels.specialisation`. */

#define BLOCK 4
#define WORKSPACE_BYTES (2 * sizeof(real) + sizeof(int) + 1)
#define BLOCKS_ACROSS (SMALL_WIDTH / BLOCK)

/* Counters of a frame. */
enum { STEPS_TAKEN, ITEMS_TAKEN, LARGE_LEFT, SMALL_LEFT, NO_ROOM, COUNTERS };

struct Steps { int first, count, items; };

struct Region { int x, y; Steps program; };

/* Facts about a step in a region. */
enum { HOLDS = 1, FAILS = 2, DECIDED = 3, MAY_BE_NAN = 4, NEEDED = 8 };

/* What a lane works on, for step i at `[i * WARP]`: bounds, the number of the copy in its own program, facts. */
struct Workspace {
    real* lower;
    real* upper;
    int* index;
    u8* facts;
};

struct Drawn {
    const real* xs;
    i64 width;
    const real* ys;
    i64 height;
    const real* ends;
    const real* fixed;
    int4* steps;
    i64 step_room;
    int* items;
    i64 item_room;
    u64* counters;
    u8* image;
    int lane;
    Workspace w;
};

DEVICE Workspace workspace_of(u8* memory, i64 count)
{
    i64 lanes = count * WARP, lane = threadIdx.x % WARP;
    u8* mine = memory + thread_number() / WARP * lanes * WORKSPACE_BYTES;
    Workspace w;
    w.lower = (real*)mine + lane;
    w.upper = w.lower + lanes;
    w.index = (int*)(mine + 2 * lanes * sizeof(real)) + lane;
    w.facts = mine + lanes * (2 * sizeof(real) + sizeof(int)) + lane;
    return w;
}

DEVICE i64 at(int step) { return (i64)step * WARP; }

DEVICE interval bounds_of(const Drawn& d, int operand, interval x, interval y)
{
    if (operand >= 0) {
        interval found = {d.w.lower[at(operand)], d.w.upper[at(operand)], (d.w.facts[at(operand)] & MAY_BE_NAN) != 0};
        return found;
    }
    return operand == ~0 ? x : operand == ~1 ? y : point_interval(d.fixed[~operand - 2]);
}

DEVICE bool is_choice(int4 step) { return step.w >> 8 == LEAST || step.w >> 8 == GREATEST; }
DEVICE bool is_list(int4 step) { return step.w >> 8 == ALL_OF || step.w >> 8 == ANY_OF; }
DEVICE bool has_second(int4 step) { return step.w >> 8 != UNARY && step.w >> 8 != IN_BAND; }

/* What `all` or `any` is, from the facts of its items. */
DEVICE u8 list_facts(const Drawn& d, int4 step, const int* items)
{
    u32 every = DECIDED, some = 0;
    for (int k = step.y; k < step.y + step.z; k++) {
        every &= d.w.facts[at(items[k])];
        some |= d.w.facts[at(items[k])];
    }
    return (u8)(step.w >> 8 == ALL_OF ? (every & HOLDS) | (some & FAILS) : (some & HOLDS) | (every & FAILS));
}

/* Bounds of every step in this lane's region, and which of its predicates hold or fail there. */
DEVICE u8 bound(const Drawn& d, Steps program, interval x, interval y)
{
    const int4* steps = d.steps + program.first;
    u8 facts = 0;
    for (int i = 0; i < program.count; i++) {
        int4 step = steps[i];
        if (is_list(step)) {
            facts = list_facts(d, step, d.items + program.items);
        } else if (step.w >> 8 == IN_BAND) {
            interval a = bounds_of(d, step.y, x, y);
            real low = d.ends[2 * step.x], high = d.ends[2 * step.x + 1];
            facts = (u8)(a.v0 >= low && a.v1 <= high && !a.v2 ? HOLDS : a.v1 < low || a.v0 > high ? FAILS : 0);
        } else {
            interval a = bounds_of(d, step.y, x, y);
            interval found = bound_of(step.w & 255, a, has_second(step) ? bounds_of(d, step.z, x, y) : a);
            d.w.lower[at(i)] = found.v0;
            d.w.upper[at(i)] = found.v1;
            facts = found.v2 ? MAY_BE_NAN : 0;
        }
        d.w.facts[at(i)] = facts;
    }
    return facts & DECIDED;
}

/* Which operand a min or max is, 1 or 2; 0 if that is not known. NaN wins, so the operand that is left out
   must be a number; a tie gives the second. */
DEVICE int winner(const Drawn& d, int4 step, interval x, interval y)
{
    if (!is_choice(step)) return 0;
    interval a = bounds_of(d, step.y, x, y), b = bounds_of(d, step.z, x, y);
    bool least = step.w >> 8 == LEAST;
    if ((least ? a.v1 < b.v0 : a.v0 > b.v1) && !b.v2) return 1;
    return (least ? b.v1 <= a.v0 : b.v0 >= a.v1) && !a.v2 ? 2 : 0;
}

/* Which steps are still needed in this lane's region: at most `needed.x`, with at most `needed.y` items.
   Returns whether that makes the program shorter. */
DEVICE bool spread_demand(const Drawn& d, Steps program, interval x, interval y, int2* needed)
{
    const int4* steps = d.steps + program.first;
    const int* items = d.items + program.items;
    bool shorter = false;
    needed->x = needed->y = 0;
    d.w.facts[at(program.count - 1)] |= NEEDED;
    for (int i = program.count - 1; i >= 0; i--) {
        if (!(d.w.facts[at(i)] & NEEDED)) {
            shorter = true;
            continue;
        }
        int4 step = steps[i];
        if (is_list(step)) {
            for (int k = step.y; k < step.y + step.z; k++) {
                if (d.w.facts[at(items[k])] & DECIDED) shorter = true;
                else {
                    d.w.facts[at(items[k])] |= NEEDED;
                    needed->y++;
                }
            }
            needed->x++;
            continue;
        }
        int won = winner(d, step, x, y);
        if (won) shorter = true;
        else needed->x++;
        if (step.y >= 0 && won != 2) d.w.facts[at(step.y)] |= NEEDED;
        if (has_second(step) && step.z >= 0 && won != 1) d.w.facts[at(step.z)] |= NEEDED;
    }
    return shorter;
}

/* Write this lane's program, of the steps that it needs; how many there are. The root is the last. */
DEVICE int specialise(const Drawn& d, Steps program, interval x, interval y, int4* out, int* out_items)
{
    const int4* steps = d.steps + program.first;
    const int* items = d.items + program.items;
    int made = 0, made_items = 0;
    for (int i = 0; i < program.count; i++) {
        if (!(d.w.facts[at(i)] & NEEDED)) continue;
        int4 step = steps[i];
        int alias = -1;
        bool copied = false;
        if (is_list(step)) {
            int begin = made_items;
            for (int k = step.y; k < step.y + step.z; k++)
                if (!(d.w.facts[at(items[k])] & DECIDED)) out_items[made_items++] = d.w.index[at(items[k])];
            if (made_items == begin + 1) {
                copied = true;
                alias = out_items[--made_items];
            }
            step.y = begin;
            step.z = made_items - begin;
        } else {
            int won = winner(d, step, x, y);
            if (step.y >= 0 && won != 2) step.y = d.w.index[at(step.y)];
            if (has_second(step) && step.z >= 0 && won != 1) step.z = d.w.index[at(step.z)];
            copied = won != 0;
            alias = won == 1 ? step.y : step.z;
        }
        if (!copied) {
            out[made] = step;
            alias = made++;
        }
        d.w.index[at(i)] = alias;
    }
    return made;
}

/* Where this lane's `count` of all lanes' begin: one addition to a counter for the warp. Counters go on where
   there is no room, and have more bits than all lanes together can ask for. */
DEVICE i64 allocate(u64* counter, int count, int lane)
{
    i64 behind = count;
    for (int distance = 1; distance < WARP; distance *= 2) {
        i64 before = __shfl_up_sync(EVERY_LANE, behind, distance);
        if (lane >= distance) behind += before;
    }
    i64 all = __shfl_sync(EVERY_LANE, behind, WARP - 1), begin = 0;
    if (lane == 0) begin = (i64)atomicAdd(counter, (u64)all);
    return __shfl_sync(EVERY_LANE, begin, 0) + behind - count;
}

/* The bounds of the samples of a region, in its part that lies in the picture. */
DEVICE void samples_of(const Drawn& d, int column, int row, int width, int height, interval* x, interval* y)
{
    int right = (int)min((i64)column + width, d.width) - 1, bottom = (int)min((i64)row + height, d.height) - 1;
    x->v0 = d.xs[column];
    x->v1 = d.xs[right];
    y->v0 = d.ys[bottom];
    y->v1 = d.ys[row];
    x->v2 = y->v2 = 0;
}

/* All pixels of a region, by the whole warp. */
DEVICE void fill(const Drawn& d, int column, int row, int width, int height)
{
    for (i64 r = row; r < row + height && r < d.height; r++)
        for (i64 c = column + d.lane; c < column + width && c < d.width; c += WARP) d.image[r * d.width + c] = 255;
}

/* Bound a program on 32 regions, fill those in which it holds, and put those in which it may into a queue,
   each with a program of its own if it is shorter. A lane whose region is outside of the picture has `inside`
   false, and any other region. */
DEVICE void divide(
    const Drawn& d, Steps program, int column, int row, int width, int height, bool inside, Region* queue,
    u64* queued)
{
    interval x, y;
    samples_of(d, column, row, width, height, &x, &y);
    u8 facts = bound(d, program, x, y);
    for (u32 bits = __ballot_sync(EVERY_LANE, inside && facts & HOLDS); bits; bits &= bits - 1) {
        int lane = (int)lowest_bit(bits);
        int left = __shfl_sync(EVERY_LANE, column, lane), top = __shfl_sync(EVERY_LANE, row, lane);
        fill(d, left, top, width, height);
    }
    bool undecided = inside && !(facts & DECIDED);
    if (!__any_sync(EVERY_LANE, undecided)) return;
    int2 needed = {0, 0};
    bool own = undecided && spread_demand(d, program, x, y, &needed);
    i64 first = allocate(d.counters + STEPS_TAKEN, own ? needed.x : 0, d.lane);
    i64 first_item = allocate(d.counters + ITEMS_TAKEN, own ? needed.y : 0, d.lane);
    if (own && (first + needed.x > d.step_room || first_item + needed.y > d.item_room)) {
        d.counters[NO_ROOM] = 1; /* the longer program is as right */
        own = false;
    }
    Region region = {column, row, program};
    if (own) {
        int made = specialise(d, program, x, y, d.steps + first, d.items + first_item);
        Steps shorter = {(int)first, made, (int)first_item};
        region.program = shorter;
    }
    i64 place = allocate(queued, undecided, d.lane);
    if (undecided) queue[place] = region;
}

/* Whether a program holds at a pixel. */
DEVICE bool run(const Drawn& d, Steps program, real x, real y)
{
    const int4* steps = d.steps + program.first;
    const int* items = d.items + program.items;
    u8 facts = 0;
    for (int i = 0; i < program.count; i++) {
        int4 step = steps[i];
        if (is_list(step)) {
            d.w.facts[at(i)] = facts = list_facts(d, step, items);
            continue;
        }
        real a = step.y >= 0 ? d.w.lower[at(step.y)] : special(step.y, x, y, d.fixed);
        if (step.w >> 8 == IN_BAND) {
            facts = a >= d.ends[2 * step.x] && a <= d.ends[2 * step.x + 1] ? HOLDS : FAILS;
            d.w.facts[at(i)] = facts;
            continue;
        }
        real b = !has_second(step) ? a : step.z >= 0 ? d.w.lower[at(step.z)] : special(step.z, x, y, d.fixed);
        d.w.lower[at(i)] = value_of(step.w & 255, a, b);
    }
    return facts & HOLDS;
}

DEVICE void draw_small(const Drawn& d, Region region)
{
    int column = region.x + d.lane % BLOCKS_ACROSS * BLOCK, row = region.y + d.lane / BLOCKS_ACROSS * BLOCK;
    bool inside = column < d.width && row < d.height;
    interval x, y;
    samples_of(d, inside ? column : region.x, inside ? row : region.y, BLOCK, BLOCK, &x, &y);
    u8 facts = bound(d, region.program, x, y);
    if (inside && facts & HOLDS)
        for (i64 r = row; r < row + BLOCK && r < d.height; r++)
            for (i64 c = column; c < column + BLOCK && c < d.width; c++) d.image[r * d.width + c] = 255;
    u32 undecided = __ballot_sync(EVERY_LANE, inside && !(facts & DECIDED));
    while (undecided) {
        u32 one = lowest_bit(undecided);
        undecided &= undecided - 1;
        u32 two = undecided ? lowest_bit(undecided) : one;
        undecided &= undecided - 1;
        int block = (int)(d.lane < WARP / 2 ? one : two), pixel = d.lane % (WARP / 2);
        i64 c = region.x + block % BLOCKS_ACROSS * BLOCK + pixel % BLOCK;
        i64 r = region.y + block / BLOCKS_ACROSS * BLOCK + pixel / BLOCK;
        if (c < d.width && r < d.height && run(d, region.program, d.xs[c], d.ys[r])) d.image[r * d.width + c] = 255;
    }
}

#define REGION_ARGUMENTS                                                                                            \
    const real *xs, i64 width, const real *ys, i64 height, const real *ends, const real *fixed, int4 *steps,        \
        i64 step_room, int *items, i64 item_room, i64 count, u64 *counters, u8 *memory, Region *large,              \
        Region *small, u8 *image
#define REGION_FRAME                                                                                                \
    Drawn d = {xs, width, ys, height, ends, fixed, steps, step_room, items, item_room, counters, image,             \
        (int)(threadIdx.x % WARP), workspace_of(memory, count)};                                                    \
    i64 warp = thread_number() / WARP, warps = thread_count() / WARP

/* The program, of `count` steps, in all large regions of the picture. */
KERNEL(divide_picture)(REGION_ARGUMENTS)
{
    REGION_FRAME;
    i64 across = (width + LARGE - 1) / LARGE, all = across * ((height + LARGE - 1) / LARGE);
    Steps program = {0, (int)count, 0};
    for (i64 group = warp; group * WARP < all; group += warps) {
        i64 number = group * WARP + d.lane;
        bool inside = number < all;
        i64 place = inside ? number : 0;
        divide(
            d, program, (int)(place % across) * LARGE, (int)(place / across) * LARGE, LARGE, LARGE, inside, large,
            counters + LARGE_LEFT);
    }
}

/* Every undecided large region, as 32 small ones. */
KERNEL(divide_regions)(REGION_ARGUMENTS)
{
    REGION_FRAME;
    i64 all = (i64)counters[LARGE_LEFT];
    for (i64 number = warp; number < all; number += warps) {
        Region region = large[number];
        int column = region.x + d.lane % (LARGE / SMALL_WIDTH) * SMALL_WIDTH;
        int row = region.y + d.lane / (LARGE / SMALL_WIDTH) * SMALL_HEIGHT;
        bool inside = column < width && row < height;
        divide(
            d, region.program, inside ? column : region.x, inside ? row : region.y, SMALL_WIDTH, SMALL_HEIGHT, inside,
            small, counters + SMALL_LEFT);
    }
}

/* Every undecided small region. */
KERNEL(draw_regions)(REGION_ARGUMENTS)
{
    REGION_FRAME;
    i64 all = (i64)counters[SMALL_LEFT];
    for (i64 number = warp; number < all; number += warps) draw_small(d, small[number]);
}
