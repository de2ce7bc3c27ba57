"""What a band of a value says of the variables below it: forward-backward propagation over one value.

HC4-revise (Benhamou, Goualard, Granvilliers, Puget 1999): bounds of the value's operands from the leaves up,
by the interval rules, then the band's ends from the value down, by the backward rules. An operation without a
backward rule has the bounds that are known of it, and says nothing of its operands.

A band that holds has no NaN below it, so bounds need not say whether there may be one. That is not so of a
value that depends on an operation that does not keep NaN, which must not be given.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from absint.native.memory import INLINE
from absint.ops.dispatch import make_backward, make_forward
from absint.ops.precision import Precision
from absint.ops.table import VAR

_VAR = VAR.code


class Values(NamedTuple):
    """Real nodes, their bounds and cones; see `ContractTask` in `absint.lowering.kernels.pass_records`."""

    op: Any
    a: Any
    b: Any
    variable: Any
    known_lower: Any
    known_upper: Any
    lower: Any
    upper: Any
    cone_starts: Any
    cones: Any


def make_revise(precision: Precision) -> Any:
    """The function `revise` for the precision."""
    forward_1, forward_2 = make_forward(precision, 1), make_forward(precision, 2)
    backward_1, backward_2 = make_backward(precision, 1), make_backward(precision, 2)

    @njit(**INLINE)
    def narrow(node, low, high, lower, upper):
        """Intersect a node's bounds."""
        if low > lower[node]:
            lower[node] = low
        if high < upper[node]:
            upper[node] = high

    @njit(**INLINE)
    def bound_cone(begin, end, values, box):
        """Bound the nodes of a cone in the box, from the operands up; False if one of them has no value."""
        op, a, b, lower, upper = values.op, values.a, values.b, values.lower, values.upper
        for i in range(begin, end):
            node = np.int64(values.cones[i])
            code = op[node]
            low, high = values.known_lower[node], values.known_upper[node]
            if code == _VAR:
                place = 2 * np.int64(values.variable[node])
                low, high = box[place], box[place + 1]
            elif b[node] >= 0:
                x, y = np.int64(a[node]), np.int64(b[node])
                p, q = forward_2(code, lower[x], upper[x], lower[y], upper[y])
                low, high = max(low, p), min(high, q)
            elif a[node] >= 0:
                x = np.int64(a[node])
                p, q = forward_1(code, lower[x], upper[x])
                low, high = max(low, p), min(high, q)
            lower[node] = low
            upper[node] = high
            if low > high:
                return False
        return True

    @njit(error_model="numpy")
    def revise(begin, end, low, high, values, box):
        """Shrink the box to where a value may lie in [low, high]; False if nowhere.

        `cones[begin:end]`: the value's cone, the operations below it and last itself, operands first.
        """
        if not bound_cone(begin, end, values, box):
            return False
        op, a, b, lower, upper = values.op, values.a, values.b, values.lower, values.upper
        narrow(np.int64(values.cones[end - 1]), low, high, lower, upper)
        for i in range(end - 1, begin - 1, -1):
            node = np.int64(values.cones[i])
            code = op[node]
            low, high = lower[node], upper[node]
            if low > high:
                return False
            if code == _VAR:
                place = 2 * np.int64(values.variable[node])
                box[place] = max(box[place], low)
                box[place + 1] = min(box[place + 1], high)
                if box[place] > box[place + 1]:
                    return False
            elif b[node] >= 0:
                x, y = np.int64(a[node]), np.int64(b[node])
                p, q, r, s = backward_2(code, low, high, lower[x], upper[x], lower[y], upper[y])
                narrow(x, p, q, lower, upper)
                narrow(y, r, s, lower, upper)
            elif a[node] >= 0:
                x = np.int64(a[node])
                p, q = backward_1(code, low, high, lower[x], upper[x])
                narrow(x, p, q, lower, upper)
        return True

    return revise
