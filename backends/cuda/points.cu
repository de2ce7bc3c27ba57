/* Values at points and bounds on boxes: one thread a point or a box, which runs the whole tape.

   A tape is int4[length]: operation, result, and operands, the second -1 if there is none. Registers below
   `constants` are the constants, the next ones the variables, the others are computed. A thread has all but
   the constants to itself, `pitch` apart: in shared memory if `in_shared`, else in global scratch memory. */

DEVICE real number_at(int place, int constants, const real* numbers, const real* mine, i64 pitch)
{
    return place < constants ? numbers[place] : mine[(place - constants) * pitch];
}

/* `columns`: for each variable the address of its values; `steps`: 1, or 0 for a single value. */
KERNEL(values)(
    const int4* tape, i64 length, const real* numbers, i64 constants, const i64* columns, const i64* steps,
    i64 variables, i64 count, i64 root, real* scratch, i64 in_shared, real* results)
{
    SHARED_BYTES(shared);
    i64 pitch = in_shared ? blockDim.x : thread_count();
    real* mine = in_shared ? (real*)shared + threadIdx.x : scratch + thread_number();
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        for (i64 j = 0; j < variables; j++) mine[j * pitch] = ((const real*)columns[j])[i * steps[j]];
        for (i64 k = 0; k < length; k++) {
            int4 step = tape[k];
            real a = number_at(step.z, (int)constants, numbers, mine, pitch);
            real b = step.w < 0 ? a : number_at(step.w, (int)constants, numbers, mine, pitch);
            mine[(step.y - constants) * pitch] = value_of(step.x, a, b);
        }
        results[i] = number_at((int)root, (int)constants, numbers, mine, pitch);
    }
}

struct Registers { const real* numbers; int constants; real* lower; real* upper; real* nan; i64 pitch; };

DEVICE interval interval_at(const Registers& r, int place)
{
    if (place < r.constants) return point_interval(r.numbers[place]);
    i64 at = (place - r.constants) * r.pitch;
    interval found = {r.lower[at], r.upper[at], r.nan[at] != 0};
    return found;
}

DEVICE void put_interval(const Registers& r, int place, interval value)
{
    i64 at = (place - r.constants) * r.pitch;
    r.lower[at] = value.v0;
    r.upper[at] = value.v1;
    r.nan[at] = (real)(value.v2 != 0);
}

/* `lower`, `upper`: for each variable the addresses of its ends, 0 if it may be anything. */
KERNEL(bounds)(
    const int4* tape, i64 length, const real* numbers, i64 constants, const i64* lower, const i64* upper,
    i64 variables, i64 count, i64 root, real* scratch, i64 registers, real* lowers, real* uppers, u8* nans)
{
    i64 pitch = thread_count();
    real* mine = scratch + thread_number();
    Registers r = {numbers, (int)constants, mine, mine + registers * pitch, mine + 2 * registers * pitch, pitch};
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        for (i64 j = 0; j < variables; j++) {
            interval given = anything();
            if (lower[j]) {
                given.v0 = ((const real*)lower[j])[i];
                given.v1 = ((const real*)upper[j])[i];
                given.v2 = 0;
            }
            put_interval(r, (int)(constants + j), given);
        }
        for (i64 k = 0; k < length; k++) {
            int4 step = tape[k];
            interval a = interval_at(r, step.z);
            put_interval(r, step.y, bound_of(step.x, a, step.w < 0 ? a : interval_at(r, step.w)));
        }
        interval found = interval_at(r, (int)root);
        lowers[i] = found.v0;
        uppers[i] = found.v1;
        nans[i] = (u8)(found.v2 != 0);
    }
}
