"""A pod of the chart, as near as it gets without a cluster: its configuration in a network namespace of its own, of
either address family, under a uid that nobody knows."""

import json
import os
import shutil
import subprocess
import tempfile

import pytest
from PIL import Image

from chart import MATRIX, one
from processes import BIN, ROOT

MODEL = "edsr-baseline-hiif-fast"


def may_unshare():
    return os.geteuid() == 0 and subprocess.run(["unshare", "--net", "true"], capture_output=True,
                                                check=False).returncode == 0


pytestmark = [pytest.mark.skipif(not may_unshare(), reason="needs root, for a network namespace"),
              pytest.mark.skipif(shutil.which("ip") is None, reason="needs iproute2")]

# Starts the server as OpenShift would, waits for readiness as the kubelet does, asks as a client does, and stops it.
SCRIPT = """
set -e
ip link set lo up
$1
setpriv --reuid 1000730000 --regid 0 --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all \\
  "$3/hiif-server" --config config.json > server.log 2>&1 &
server=$!
for _ in $(seq 300); do
  curl --silent --fail --max-time 2 "http://$2:8501/readyz" && break
  kill -0 $server || { cat server.log; exit 1; }
  sleep 0.1
done
"$3/hiif" health --server "$2:8500"
"$3/hiif" upscale picture.png -o - -f png --scale 1.5 --server "$2:8500" > large.png
kill $server
wait $server
"""
FAMILIES = {
    "both": ("true", ["127.0.0.1", "[::1]"]),
    "IPv4": ("sysctl -q -w net.ipv6.conf.all.disable_ipv6=1", ["127.0.0.1"]),
    "IPv6": ("ip addr del 127.0.0.1/8 dev lo", ["[::1]"]),
}


@pytest.fixture
def folder():
    """That another user may read; models and picture in it."""
    with tempfile.TemporaryDirectory(prefix="hiif-pod-") as path:
        os.chmod(path, 0o755)
        shutil.copy(ROOT / f"models/{MODEL}.safetensors", path)
        Image.open(ROOT / "examples/chelsea.png").crop((0, 0, 40, 30)).save(f"{path}/picture.png")
        yield path


@pytest.mark.parametrize("family,address", [(f, a) for f, (_, addresses) in FAMILIES.items() for a in addresses])
def test_the_charts_configuration_gets_ready(family, address, folder):
    values = {"config": {"default_model": MODEL, "shutdown_delay": "0s"}, **MATRIX["openshift"]}
    config = json.loads(one(values, "ConfigMap")["data"]["config.json"])
    config["model_dir"] = folder
    with open(f"{folder}/config.json", "w", encoding="ascii") as out:
        json.dump(config, out)
    result = subprocess.run(["unshare", "--net", "bash", "-c", SCRIPT, "bash", FAMILIES[family][0], address, BIN],
                            cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    log = open(f"{folder}/server.log", encoding="utf-8").read()
    assert result.returncode == 0, result.stdout + result.stderr + log
    with open(f"{folder}/large.png", "rb") as picture:
        assert picture.read(4) == b"\x89PNG"
