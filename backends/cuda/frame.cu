/* What is made once for a frame, before tiles and regions are drawn.

   Instructions of tapes are int4: operation, result, and operands, the second of a unary one being `NO_OPERAND`.
   Operands from 0 on are the tape's own values, others are special. */

/* The values that are fixed for a picture: z, the first, and what the tape computes; `fixed` holds the constants
   already. One thread. */
KERNEL(begin)(const int4* instructions, i64 first, i64 last, real* fixed, const real* z)
{
    if (thread_number() != 0) return;
    fixed[0] = z[0];
    for (i64 k = first; k < last; k++) {
        int4 step = instructions[k];
        real a = fixed[~step.z - 2], b = step.w == NO_OPERAND ? a : fixed[~step.w - 2];
        fixed[~step.y - 2] = value_of(step.x, a, b);
    }
}

DEVICE real table_value(int operand, const real* tables, i64 pitch, i64 i, const real* fixed)
{
    return operand >= 0 ? tables[operand * pitch + i] : fixed[~operand - 2];
}

/* Tables over the samples of an axis: table 0 is the samples, the tape computes the others. A thread has the same
   samples in both loops; one loop for both would take two registers more. */
KERNEL(tabulate)(
    const int4* instructions, i64 first, i64 last, const real* samples, i64 count, real* tables,
    const real* fixed)
{
    for (i64 i = thread_number(); i < count; i += thread_count()) tables[i] = samples[i];
    for (i64 i = thread_number(); i < count; i += thread_count())
        for (i64 k = first; k < last; k++) {
            int4 step = instructions[k];
            real a = table_value(step.z, tables, count, i, fixed);
            real b = step.w == NO_OPERAND ? a : table_value(step.w, tables, count, i, fixed);
            tables[step.y * count + i] = value_of(step.x, a, b);
        }
}

/* Boxes of terms in pixels: left, right, top, bottom, the second and fourth behind the last. Rows run down,
   against y. */
KERNEL(place_boxes)(
    const int4* boxes, i64 count, const double* thresholds_x, const double* thresholds_y, const real* xs,
    i64 width, const real* ys, i64 height, int4* pixels)
{
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        int4 box = boxes[i], found;
        found.x = count_before(xs, width, thresholds_x[box.x], false);
        found.y = count_before(xs, width, thresholds_x[box.y], false);
        found.z = count_before(ys, height, thresholds_y[box.w], true);
        found.w = count_before(ys, height, thresholds_y[box.z], true);
        pixels[i] = found;
    }
}
