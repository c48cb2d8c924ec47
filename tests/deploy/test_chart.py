"""The Helm chart: lint, rendered for a matrix of values, against the schemas of Kubernetes."""

import json
import re
import subprocess

import helm_python
import jsonschema
import kubernetes_validate
import pytest
import yaml

from chart import CHART, MATRIX, render
from custom_resources import SCHEMAS
from processes import BIN, ROOT, hiif, run_server


def test_lint():
    report = helm_python.lint(CHART)
    assert report["total_charts_linted"] == 1 and not report["errors"]
    assert not [m for m in report["messages"] if m["severity"] >= 2], report


@pytest.mark.parametrize("name", MATRIX)
def test_manifests_are_valid(name):
    manifests = render(MATRIX[name])
    for kind, items in manifests.items():
        for manifest in items:
            if kind in SCHEMAS:
                jsonschema.validate(manifest, SCHEMAS[kind])
            else:
                kubernetes_validate.validate(manifest, "1.31", strict=True)


@pytest.mark.parametrize("name", MATRIX)
def test_pods_are_restricted(name):
    """The pod security level "restricted", rule by rule."""
    manifests = render(MATRIX[name])
    for owner in manifests["Deployment"] + manifests.get("Job", []):
        pod = owner["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"]["runAsUser"] > 0
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert not any(pod.get(k) for k in ("hostNetwork", "hostPID", "hostIPC"))
        assert pod["automountServiceAccountToken"] is False
        for volume in pod["volumes"]:
            assert set(volume) & {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}
        for container in pod["containers"]:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert security["readOnlyRootFilesystem"] and security["runAsNonRoot"]


@pytest.mark.parametrize("values", [
    {"autoscaling": {"mode": "both"}}, {"replicas": -1}, {"replicaCount": 3},
    {"models": {"existingClaim": "a", "claim": {"create": True}}},
    {"auth": {"secretName": "a", "tokens": [{"name": "b", "token": "c"}]}},
    {"auth": {"tokens": [{"name": "b"}]}}, {"podDisruptionBudget": {"maxUnavailable": 0}},
    {"config": {"shutdown_grace": "10m"}},
    {"config": {"listen": ["0.0.0.0:1"]}}, {"service": {"type": "Elsewhere"}}, {"gpu": {"count": 0}},
])
def test_wrong_values_are_refused(values):
    with pytest.raises(Exception):
        render(values)


def test_a_batch_needs_a_claim():
    with pytest.raises(Exception, match="claim"):
        render({"batch": {"enabled": True}})


@pytest.mark.parametrize("name", MATRIX)
def test_the_server_takes_its_configuration(name, tmp_path):
    """The config map is a file that this build of hiif-server reads."""
    config = tmp_path / "config.json"
    config.write_text(render(MATRIX[name])["ConfigMap"][0]["data"]["config.json"])
    result = subprocess.run([BIN / "hiif-server", "--config", config, "--print-config"],
                            capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["listen"] == ["0.0.0.0:8500"]


def test_what_the_values_ask_for_is_there():
    one = lambda values, kind: render(values)[kind][0]  # noqa: E731
    assert one(MATRIX["gpu"], "Deployment")["spec"]["template"]["spec"]["containers"][0]["resources"][
        "limits"]["nvidia.com/gpu"] == 2
    hpa = one(MATRIX["hpa"], "HorizontalPodAutoscaler")["spec"]
    assert hpa["maxReplicas"] == 100
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == "hiif_estimated_drain_seconds"
    assert "replicas" not in one(MATRIX["hpa"], "Deployment")["spec"]
    assert "HorizontalPodAutoscaler" not in render(MATRIX["keda"])
    assert "hiif_estimated_drain_seconds" in one(MATRIX["keda"], "ScaledObject")["spec"]["triggers"][0][
        "metadata"]["query"]
    own, copy = (ROOT / d / "rules.yaml" for d in ("deploy/prometheus", "helm/hiif/files"))
    assert own.read_text() == copy.read_text()
    monitor = one(MATRIX["monitoring"], "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    services = render(MATRIX["monitoring"])["Service"]
    chosen = [s for s in services if monitor.items() <= s["metadata"]["labels"].items()]
    assert [s["spec"].get("clusterIP") for s in chosen] == ["None"]
    config = json.loads(one(MATRIX["mutual-tls"], "ConfigMap")["data"]["config.json"])
    assert config["tls_client_ca"] == "/tls/ca.crt" and "insecure_listen" not in config
    job = one(MATRIX["batch"], "Job")["spec"]
    assert job["completionMode"] == "Indexed" and job["completions"] == 8
    assert "NetworkPolicy" not in render(MATRIX["open"])


@pytest.mark.parametrize("values", [{"terminationGracePeriodSeconds": 130}, {"config": {"shutdown_grace": "600s"}}])
def test_the_grace_must_be_long_enough(values):
    assert render({})["Deployment"][0]["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > 130
    with pytest.raises(Exception, match="terminationGracePeriodSeconds"):
        render(values)


def test_tokens_of_the_values_are_a_file_that_the_server_reads(tmp_path):
    """The secret's file, given to a real server."""
    manifests = render(MATRIX["own-tokens"])
    tokens = tmp_path / "tokens.json"
    tokens.write_text(manifests["Secret"][0]["stringData"]["tokens.json"])
    volumes = manifests["Deployment"][0]["spec"]["template"]["spec"]["volumes"]
    assert {"secretName": manifests["Secret"][0]["metadata"]["name"]} in [v.get("secret") for v in volumes]
    picture = ROOT / "examples/chelsea.png"
    with run_server(tmp_path, "--token-file", tokens) as server:
        command = ("upscale", picture, "-o", tmp_path / "o.png", "-s", "1.1", "--crop", "0,0,20,20", "--server",
                   server.address)
        refused = hiif(*command, check=None)
        assert refused.returncode == 1 and "needs a token" in refused.stderr, refused.stderr
        hiif(*command, env={"HIIF_TOKEN": "secret"})


def test_the_batchs_pods_use_flags_that_there_are():
    """With TLS, a client certificate and a token; --dry-run stops before anything is needed of them."""
    pod = render(MATRIX["batch-tls"])["Job"][0]["spec"]["template"]["spec"]
    arguments = pod["containers"][0]["args"]
    assert "--tls-ca" in arguments and "--tls-cert" in arguments and "--insecure-token" not in arguments
    known = hiif("upscale", "--help").stdout
    assert all(a in known for a in arguments if a.startswith("--"))
    keys = [v["secret"]["items"] for v in pod["volumes"] if v["name"] == "authority"]
    assert keys == [[{"key": "ca.crt", "path": "ca.crt"}]]
    assert "HIIF_TOKEN" in [e["name"] for e in pod["containers"][0]["env"]]


@pytest.mark.parametrize("name", MATRIX)
def test_notes_name_what_there_is(name):
    """The commands of NOTES.txt name services that are rendered, and flags that hiif has."""
    with helm_python.Chart.load(CHART) as chart:
        rendered = chart.render(values=MATRIX[name], name="demo", namespace="images")
    notes = next(text for path, text in rendered.items() if path.endswith("NOTES.txt"))
    names = {m["metadata"]["name"] for kind, items in render(MATRIX[name]).items() for m in items}
    for word in re.findall(r"(?:deployment|service)/([a-z-]+)|dns:///([a-z-]+)", notes):
        assert "".join(word) in names
    assert ("--tls" in notes) == bool(MATRIX[name].get("tls"))


def test_dockerfile():
    result = subprocess.run([ROOT / ".venv/bin/hadolint", ROOT / "Dockerfile"], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stdout
