"""The Prospero Challenge's own script, written again from its description, to compare pictures with.

It knows the opcodes of `prospero.vm` and no others, reads a file as that script does, and shares no code with
absint: a text that it draws is a standard `.vm` file. Beyond that script it drops a value at its last use;
else a picture of 1024 by 1024 pixels takes 60 GB.
"""

from __future__ import annotations

from typing import Any

import numpy as np

DIADIC = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum}
MONADIC = {"neg": np.negative, "square": np.square, "sqrt": np.sqrt}


def draw(text: str, size: int, real: type[np.floating[Any]] = np.float64) -> bytes:
    """The PGM file of `size` by `size` pixels."""
    space = np.linspace(-1, 1, size)
    x, y = np.meshgrid(space.astype(real), (-space).astype(real))
    lines = [line.split() for line in text.strip().split("\n") if not line.startswith("#")]
    last_use = {word: number for number, line in enumerate(lines) for word in line[2:] if line[1] != "const"}
    values: dict[str, Any] = {}
    for number, (name, opcode, *operands) in enumerate(lines):
        if opcode == "var-x":
            values[name] = x
        elif opcode == "var-y":
            values[name] = y
        elif opcode == "const":
            values[name] = float(operands[0])  # NumPy rounds it to the arrays' precision
        elif opcode in MONADIC:
            (a,) = operands
            values[name] = MONADIC[opcode](values[a])
        else:
            a, b = operands
            values[name] = DIADIC[opcode](values[a], values[b])
        for operand in set(operands):
            if last_use.get(operand) == number:
                del values[operand]
    picture: np.ndarray[Any, Any] = (values[lines[-1][0]] < 0) * 255
    return f"P5\n{size} {size}\n255\n".encode() + picture.astype(np.uint8).tobytes()
