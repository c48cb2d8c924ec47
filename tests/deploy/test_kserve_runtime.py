"""deploy/kserve: what KServe asks of a runtime, and that the server takes the flags in it."""

import json
import shutil
import subprocess

import requests
import yaml

from processes import BIN, ROOT, run_server
from settings import seconds

FOLDER = ROOT / "deploy" / "kserve"


def test_the_runtime():
    runtime = yaml.safe_load((FOLDER / "runtime.yaml").read_text())
    assert runtime["apiVersion"] == "serving.kserve.io/v1alpha1" and runtime["kind"] == "ClusterServingRuntime"
    spec = runtime["spec"]
    assert spec["protocolVersions"] == ["grpc-v2"]
    (container,) = spec["containers"]
    assert container["name"] == "kserve-container"  # KServe finds it by this name
    (port,) = container["ports"]
    assert port["name"] == "h2c"  # HTTP/2 in clear text, as Knative and Istio name it
    printed = subprocess.run([BIN / "hiif-server", *container["args"], "--print-config"], check=True,
                             capture_output=True, text=True)
    config = json.loads(printed.stdout)
    assert config["kserve"] and config["model_dir"] == "/mnt/models"  # where the storage initializer puts them
    assert config["listen"][0].endswith(f":{port['containerPort']}")
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert config["management_listen"].endswith(f":{container[probe]['httpGet']['port']}")
    context = container["securityContext"]
    assert context["runAsNonRoot"] and context["readOnlyRootFilesystem"] and context["capabilities"]["drop"] == ["ALL"]


def test_any_models_are_served(tmp_path):
    """The user's bucket has none of the names that are shipped here."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models/edsr-baseline-hiif-fast.safetensors", models / "holidays.safetensors")
    arguments = yaml.safe_load((FOLDER / "runtime.yaml").read_text())["spec"]["containers"][0]["args"]
    own = ("--listen=", "--management-listen=", "--model-dir=")  # the test's
    with run_server(tmp_path, *(a for a in arguments if not a.startswith(own)), model_dir=models) as server:
        answer = requests.get(server.management + "/readyz", timeout=10)
    assert answer.status_code == 200, answer.text


def test_the_service_asks_for_the_runtime():
    runtime = yaml.safe_load((FOLDER / "runtime.yaml").read_text())["spec"]
    model = yaml.safe_load((FOLDER / "service.yaml").read_text())["spec"]["predictor"]["model"]
    assert model["modelFormat"]["name"] in [known["name"] for known in runtime["supportedModelFormats"]]
    assert model["protocolVersion"] in runtime["protocolVersions"] and model["storageUri"].startswith("s3://")


def test_requests_fit_the_times_of_knative():
    """300 s until an answer begins, 600 s for all of it (config-defaults); the cluster refuses a longer timeout."""
    arguments = yaml.safe_load((FOLDER / "runtime.yaml").read_text())["spec"]["containers"][0]["args"]
    queue, = (seconds(argument.partition("=")[2]) for argument in arguments if argument.startswith("--max-queue-time="))
    timeout = yaml.safe_load((FOLDER / "service.yaml").read_text())["spec"]["predictor"]["timeout"]
    assert queue < 300 and queue < timeout <= 600
