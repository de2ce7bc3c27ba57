"""Runs notebooks.

`python -m tests.project.notebooks [NAME...]` runs all or some again, in place, at full size.

What differs between two runs for no reason is left out of the files: times of execution, the version of the
kernel's Python, random ids of cells.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient

from absint.evaluation.image_files import write_whole

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
LONGEST = 600
"""Seconds that one cell may take."""


def read(path: Path) -> Any:
    """A notebook. Raises an error if it is not valid."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def run(notebook: Any, scale: str) -> None:
    """Run all cells, in order, with this checkout's absint. Raises `CellExecutionError` where one fails."""
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "ABSINT_NOTEBOOK_SCALE": scale,
        "MPLBACKEND": "agg",
        "PYDEVD_DISABLE_FILE_VALIDATION": "1",  # ipykernel's debugger would warn of Python's frozen modules
    }
    client = NotebookClient(
        notebook, kernel_name="python3", kernel_manager_class=_Kernels, timeout=LONGEST,
        startup_timeout=LONGEST, resources={"metadata": {"path": str(FOLDER)}},
    )  # fmt: skip
    client.execute(env=environment)


class _Kernels(AsyncKernelManager):
    """Kernels of this interpreter. A user's own kernel of the name `python3` may be another one's."""

    def __init__(self, **options: Any) -> None:
        super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=[]), **options)


def normalise(notebook: Any) -> None:
    """Leave out what says nothing."""
    language = {"name": "python", "file_extension": ".py", "mimetype": "text/x-python"}
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook.metadata = nbformat.from_dict({"kernelspec": kernel, "language_info": language})
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number:02}"
        cell.metadata = nbformat.from_dict({})
        if cell.cell_type == "code":
            cell.outputs = _joined(cell.outputs)


def _joined(outputs: list[Any]) -> list[Any]:
    """Neighbouring pieces of one stream as one: where it was cut depends on the moment."""
    made: list[Any] = []
    for output in outputs:
        stream = output.get("name") if output.output_type == "stream" else None
        if stream and made and made[-1].get("name") == stream:
            made[-1].text += output.text
        else:
            made.append(output)
    return made


def main(names: list[str]) -> None:
    """Run the notebooks of these names, or all."""
    for path in NOTEBOOKS:
        if names and path.stem not in names and path.stem.split("-")[0] not in names:
            continue
        start = time.monotonic()
        notebook = read(path)
        run(notebook, "full")
        normalise(notebook)
        text = nbformat.writes(notebook)
        write_whole(str(path), (text.rstrip("\n") + "\n").encode())
        print(f"{path.name}: {time.monotonic() - start:.1f} s, {len(text) / 1024:.0f} KiB")  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
