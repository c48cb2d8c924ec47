"""The notebooks of docs/ run from top to bottom; what they assert holds."""

import os
import sys

import pytest

from processes import BIN, ROOT

NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
nbclient = pytest.importorskip("nbclient", reason="needs nbclient and ipykernel (tests/requirements.txt)")
pytest.importorskip("ipykernel")


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 2


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook(path, stubs, monkeypatch):
    import nbformat
    if path.stem == "torch":
        for package in ("torch", "onnx", "onnxruntime"):
            pytest.importorskip(package)
    import hiif
    packages = os.path.dirname(os.path.dirname(hiif.__file__))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([packages, os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("HIIF_SERVER_BINARY", str(BIN / "hiif-server"))
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "outputs are not kept in the tree"
    client = nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": path.parent}})
    client.create_kernel_manager()
    client.km.kernel_spec.argv[0] = sys.executable  # the packages of this Python
    client.execute()
    assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
