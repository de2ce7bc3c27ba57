"""Lists of predicates given to the lists that they are in: the inner loop of the pass `flatten`."""

from __future__ import annotations

import numpy as np
from numba import njit, types

from absint.lowering.kernels.predicates import (
    FULL,
    SIZE,
    added,
    count_users,
    draft_at,
    finished,
    is_list,
    join,
    leaf,
    opened,
    predicates_at,
)  # fmt: skip
from absint.native.memory import i32s, i64s


@njit(error_model="numpy")
def dissolved(item, old, users, parent):
    """Whether a list is left to the only list that it is in, which is of its kind."""
    code = old.code[item]
    return is_list(code) and users[item] == 1 and old.code[parent[item]] == code


def flatten(count, predicates_, draft_, users_, parent_, cursor_, made_, copies, inlined_):
    """One sweep; returns how many predicates there are after it, or `FULL`.

    Of `count` predicates: `users`, `parent`, `cursor` and `made` i32, scratch. `copies`: the longest list
    that is copied into several. `inlined` i64: for each code, how many lists were given to another, added up.
    """
    old, draft = predicates_at(predicates_), draft_at(draft_)
    users, parent, cursor, made = i32s(users_), i32s(parent_), i32s(cursor_), i32s(made_)
    inlined = i64s(inlined_)
    count_users(count, old, users, parent)
    for top in range(count):
        code = np.int64(old.code[top])
        if not is_list(code):
            made[top] = leaf(draft, old, top, old.lines[top])
            continue
        if dissolved(top, old, users, parent):
            continue
        end = opened(draft)
        current = np.int64(top)
        cursor[top] = old.starts[top]
        while True:
            if cursor[current] == old.starts[current + 1]:
                if current == top:
                    break
                current = np.int64(parent[current])
                continue
            item = np.int64(old.items[cursor[current]])
            cursor[current] += 1
            if dissolved(item, old, users, parent):
                inlined[code] += 1
                cursor[item] = old.starts[item]
                current = item
                continue
            new = np.int64(made[item])
            begin, behind = np.int64(draft.starts[new]), np.int64(draft.starts[new + 1])
            if draft.code[new] == code and behind - begin <= copies:
                inlined[code] += 1
                for j in range(begin, behind):
                    end = added(draft, end, draft.items[j])
            else:
                end = added(draft, end, new)
        made[top] = join(draft, code, end, old.lines[top])
        if draft.size[SIZE.full]:
            return np.int64(FULL)
    return finished(draft, np.int64(made[count - 1]))


SHARED = {"flatten": (flatten, types.int64(*[types.int64] * 9))}
"""The kernels; they serve both precisions."""
