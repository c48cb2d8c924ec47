"""Fixtures: servers of this build, and a photograph."""

import contextlib
import pathlib
import shutil
import sys

import pytest
from PIL import Image

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "testing"))

from processes import ROOT, make_stubs, run_server  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def stubs(tmp_path_factory):
    """Clients generated from the proto."""
    make_stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server with default settings, shared by tests that leave it as it was."""
    with run_server(tmp_path_factory.mktemp("server")) as running:
        yield running
        assert running.process.poll() is None, "the server died: " + running.log.read_text()[-4000:]


def of_the_models(folder, *names):
    """The folder, with these of the models in it."""
    for name in names:
        shutil.copy(ROOT / "models" / f"{name}.safetensors", folder)
    return folder


@pytest.fixture(scope="session")
def few_models(tmp_path_factory):
    """A folder with the default model and two more: all of them take a server eight seconds to load, these two seconds."""
    return of_the_models(tmp_path_factory.mktemp("few-models"), "bicubic", "edsr-baseline-hiif", "edsr-baseline-hiif-fast")


@pytest.fixture
def start_server(tmp_path, few_models):
    """A function that starts servers of the test's own, with few models where it names no other folder."""
    with contextlib.ExitStack() as stack:
        yield lambda *flags, **options: stack.enter_context(
            run_server(tmp_path, *flags, **{"model_dir": few_models, **options}))


@pytest.fixture(scope="session")
def two_models(tmp_path_factory):
    """A folder with two of the models: a server that starts quickly."""
    return of_the_models(tmp_path_factory.mktemp("models"), "edsr-baseline-hiif", "edsr-baseline-hiif-fast")


@pytest.fixture(scope="session")
def photo(tmp_path_factory):
    """A small PNG cut from the example photograph."""
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").crop((70, 40, 118, 80)).save(path)
    return path
