"""A worker of examples/ray/upscale_folder.py, without Ray: its servers answer the way a test says."""

import hashlib
import io
import runpy
import sys
import types

import pytest
from PIL import Image

from processes import ROOT
from test_python_client_retries import Script, changed, serve


@pytest.fixture
def example(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", types.ModuleType("ray"))  # only its datasets need it
    return runpy.run_path(str(ROOT / "examples" / "ray" / "upscale_folder.py"))


@pytest.fixture
def file():
    out = io.BytesIO()
    Image.new("L", (4, 4)).save(out, "PNG")
    return out.getvalue()


def test_colours_of_16_bits_do_not_end_the_run(example, file, tmp_path):
    """A server makes of them what was asked for, 16 bits where nothing was."""
    script = Script()

    def as_the_file(message):
        if not script.calls[-1][1].sample_type:
            changed("UpscaleHeader", channels=3, sample_type=2)(message)

    script.lie = as_the_file
    address, server = serve(script)
    worker = example["Upscale"](address, 3, "", tmp_path)
    assert worker({"name": "deep.png", "bytes": file}) == {"name": "deep.png", "result": "done"}
    worker.client.close()
    server.stop(None)
    target = tmp_path / f"deep-{hashlib.sha256(b'deep.png').hexdigest()[:12]}.png"
    assert Image.open(target).size == (12, 12)


def test_several_servers(example, file, tmp_path):
    """Each of two that are told by numbers gets some; names by commas are refused before anything begins."""
    scripts = Script(), Script()
    (one, first), (two, second) = map(serve, scripts)
    worker = example["Upscale"](f"{one},{two}", 3, "", tmp_path)
    for name in range(8):
        assert worker({"name": f"{name}.png", "bytes": file})["result"] == "done"
    worker.client.close()
    for server in first, second:
        server.stop(None)
    assert all(script.calls for script in scripts)
    assert example["address_of"]("[::1]:1,[::2]:1") == "ipv6:[::1]:1,[::2]:1"
    assert example["address_of"]("dns:///images:8500") == "dns:///images:8500"
    for servers in ("host1:8500,host2:8500", "1st.example:8500,2nd.example:8500", "10.0.0.1:8500,[::1]:8500",
                    "10.0.0.1:1,"):
        with pytest.raises(ValueError, match="by numeric addresses"):
            example["upscale"]("nothing", str(tmp_path / "out"), servers)
    assert not (tmp_path / "out").exists()
