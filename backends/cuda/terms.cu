/* Terms drawn into tiles of 32 by 32 pixels, a block of four warps to a tile.

   A lane is a column, and a bit of its mask is a row: `all` and `any` of 1024 pixels are one instruction of a
   warp, and no lane needs what another has found. Of the terms that a warp takes, each lane looks whether the
   box of one meets the tile. Most terms are bands of sums `u(x) + v(y)`, u from a table of the columns, v from
   one of the rows. The code of terms is that of `absint.lowering.plan_format`. */

#define TILE_WARPS 4

struct Tile { int column, row, columns, rows, lane; };

struct Pictured {
    const int* code;
    const int4* boxes;
    const int* sums;
    const real* sum_numbers;
    const int4* instructions;
    const int4* tapes;
    const int4* tape_bands;
    const real* tape_ends;
    const real* tables_x;
    const real* tables_y;
    const real* xs;
    const real* ys;
    const real* fixed;
    i64 width, height;
    real* scratch;
    real* rows;
};

DEVICE real form(real t, real offset, int squared, real sign)
{
    t = t + offset;
    if (squared) t = t * t;
    return t * sign;
}

DEVICE i64 clipped(i64 i, i64 count) { return i < count ? i : count - 1; }

/* The pixels in which a sum is in its band, for rows from `top` up to `bottom`. */
DEVICE u32 sum_mask(const Pictured& p, const Tile& tile, int sum, int top, int bottom)
{
    const int* words = p.sums + SUM_WORDS * sum;
    const real* numbers = p.sum_numbers + SUM_NUMBERS * sum;
    real u = form(
        p.tables_x[words[0] * p.width + clipped(tile.column + tile.lane, p.width)], numbers[0], words[1], numbers[1]);
    __syncwarp();
    p.rows[tile.lane] = form(
        p.tables_y[words[2] * p.height + clipped(tile.row + tile.lane, p.height)], numbers[2], words[3], numbers[3]);
    __syncwarp();
    real low = numbers[4], high = numbers[5];
    u32 mask = 0;
    if (words[4] == AT_MOST)
        for (int r = top; r < bottom; r++) mask |= (u32)(u + p.rows[r] <= high) << r;
    else
        for (int r = top; r < bottom; r++) {
            real value = u + p.rows[r];
            mask |= (u32)(low <= value && value <= high) << r;
        }
    return mask;
}

DEVICE real tape_value(const Pictured& p, int operand, const real* slots, real x, real y)
{
    return operand >= 0 ? slots[operand * WARP] : special(operand, x, y, p.fixed);
}

/* The pixels in which all of a tape's values are in their bands. */
DEVICE u32 tape_mask(const Pictured& p, const Tile& tile, int number, int top, int bottom)
{
    int4 tape = p.tapes[number];
    real* slots = p.scratch + tile.lane;
    real x = p.xs[clipped(tile.column + tile.lane, p.width)];
    u32 mask = 0;
    for (int r = top; r < bottom; r++) {
        real y = p.ys[clipped(tile.row + r, p.height)];
        for (int k = tape.x; k < tape.y; k++) {
            int4 step = p.instructions[k];
            real a = tape_value(p, step.z, slots, x, y);
            real b = step.w == NO_OPERAND ? a : tape_value(p, step.w, slots, x, y);
            slots[step.y * WARP] = value_of(step.x, a, b);
        }
        u32 inside = 1;
        for (int band = tape.z; band < tape.w; band++) {
            int4 where = p.tape_bands[band];
            real value = tape_value(p, where.x, slots, x, y);
            inside &= (u32)(p.tape_ends[2 * where.y] <= value && value <= p.tape_ends[2 * where.y + 1]);
        }
        mask |= inside << r;
    }
    return mask;
}

/* The pixels of a tile in which the term whose code begins at `position` holds. */
DEVICE u32 term_mask(const Pictured& p, const Tile& tile, int position)
{
    u32 planes[DEEPEST_TERM + 1], factors[DEEPEST_TERM + 1], insides[DEEPEST_TERM + 1];
    int tops[DEEPEST_TERM + 1], bottoms[DEEPEST_TERM + 1];
    int depth = 0, stop = p.code[CODE * position + 3];
    planes[0] = 0;
    insides[0] = EVERY_LANE;
    tops[0] = 0;
    bottoms[0] = tile.rows;
    while (position < stop) {
        const int* entry = p.code + CODE * position;
        int kind = entry[0];
        if (kind == TERM) {
            int4 box = p.boxes[entry[1]];
            int top = max(tops[depth], box.z - tile.row), bottom = min(bottoms[depth], box.w - tile.row);
            int column = tile.column + tile.lane;
            u32 inside = column >= box.x && column < box.y ? insides[depth] & bits_between(top, bottom) : 0;
            if (!__any_sync(EVERY_LANE, inside != 0)) {
                position = entry[3];
            } else if (entry[2] >= 0 && entry[2] <= 2) {
                for (int k = 1; k <= entry[2]; k++) inside &= sum_mask(p, tile, entry[CODE * k + 1], top, bottom);
                planes[depth] |= inside;
                position = entry[3];
            } else {
                depth++;
                planes[depth] = 0;
                insides[depth] = inside;
                tops[depth] = top;
                bottoms[depth] = bottom;
                position++;
            }
            continue;
        }
        if (kind == EITHER) planes[depth] = 0;
        else if (kind == END) depth--;
        else {
            u32 found = kind == SUM ? sum_mask(p, tile, entry[1], tops[depth], bottoms[depth])
                : kind == TAPE ? tape_mask(p, tile, entry[1], tops[depth], bottoms[depth])
                : planes[depth];
            found &= entry[2] & 1 ? insides[depth] : factors[depth];
            if (entry[2] & 2) planes[depth - 1] |= found;
            else factors[depth] = found;
        }
        position++;
    }
    return planes[0];
}

/* The whole picture, one byte a pixel, rows `stride` bytes apart. */
KERNEL(draw_terms)(
    const int* code, const int* starts, const int* top_boxes, i64 terms, const int4* boxes, const int* sums,
    const real* sum_numbers, const int4* instructions, const int4* tapes, const int4* tape_bands,
    const real* tape_ends, const real* tables_x, const real* tables_y, const real* xs, i64 width,
    const real* ys, i64 height, const real* fixed, real* scratch, i64 slots, u8* image)
{
    __shared__ u32 masks[WARP];
    __shared__ real row_values[TILE_WARPS][WARP];
    int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP;
    i64 across = (width + WARP - 1) / WARP, tiles = across * ((height + WARP - 1) / WARP);
    Pictured p = {
        code, boxes, sums, sum_numbers, instructions, tapes, tape_bands, tape_ends, tables_x, tables_y, xs, ys,
        fixed, width, height, scratch + (thread_number() / WARP) * slots * WARP, row_values[warp]};
    for (i64 number = blockIdx.x; number < tiles; number += gridDim.x) {
        Tile tile = {(int)(number % across) * WARP, (int)(number / across) * WARP, 0, 0, lane};
        tile.columns = (int)min((i64)WARP, width - tile.column);
        tile.rows = (int)min((i64)WARP, height - tile.row);
        if (warp == 0) masks[lane] = 0;
        __syncthreads();
        u32 mask = 0;
        for (i64 first = warp * WARP; first < terms; first += TILE_WARPS * WARP) {
            bool met = false;
            if (first + lane < terms) {
                int4 box = boxes[top_boxes[first + lane]];
                met = box.x < tile.column + tile.columns && box.y > tile.column &&
                    box.z < tile.row + tile.rows && box.w > tile.row;
            }
            u32 bits = __ballot_sync(EVERY_LANE, met);
            for (; bits; bits &= bits - 1) mask |= term_mask(p, tile, starts[first + lowest_bit(bits)]);
        }
        if (mask) atomicOr(&masks[lane], mask);
        __syncthreads();
        mask = lane < tile.columns ? masks[lane] : 0;
        if (lane < tile.columns)
            for (int r = warp; r < tile.rows; r += TILE_WARPS)
                image[(tile.row + r) * width + tile.column + lane] = (u8)(0 - (mask >> r & 1));
        __syncthreads();
    }
}
