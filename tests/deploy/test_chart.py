"""The Helm chart: lint, rendered for a matrix of values, against the schemas of Kubernetes."""

import json
import re
import shutil
import subprocess
import sys

import helm_python
import kubernetes_validate
import pytest
import yaml

import custom_resources
import dockerfile
from chart import CHART, MATRIX, NEEDS, one, pods, render
from processes import BIN, ROOT, hiif, run_server


def test_lint():
    report = helm_python.lint(CHART)
    assert report["total_charts_linted"] == 1 and not report["errors"]
    assert not [m for m in report["messages"] if m["severity"] >= 2], report


def test_the_defaults_fit_the_schema():
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(yaml.safe_load((CHART / "values.yaml").read_text()))


def at_least(version, other):
    return [int(n) for n in version.split(".")] >= [int(n) for n in other.split(".")]


@pytest.mark.parametrize("version", ["1.31", kubernetes_validate.latest_version()])
@pytest.mark.parametrize("name", MATRIX)
def test_manifests_are_valid(name, version):
    """Against the schemas of Kubernetes, the oldest and the newest there are here, and of the custom resources."""
    if not at_least(version, NEEDS.get(name, "1.0")):
        pytest.skip(f"needs Kubernetes {NEEDS[name]}")
    for kind, items in render(MATRIX[name]).items():
        for manifest in items:
            if kind in custom_resources.KINDS:
                custom_resources.validate(manifest)
            else:
                kubernetes_validate.validate(manifest, version, strict=True)


@pytest.mark.parametrize("name", MATRIX)
def test_names_fit(name):
    """With the longest names that Helm and the schema let through."""
    values = {**MATRIX[name], "nameOverride": "n" * 52}
    for kind, items in render(values, name="r" * 53).items():
        for manifest in items:
            longest = {"Service": 63, "Job": 63 - len("-100000")}.get(kind, 253)
            assert len(manifest["metadata"]["name"]) <= longest
            assert all(len(v) <= 63 for v in manifest["metadata"]["labels"].values())


@pytest.mark.parametrize("name", MATRIX)
def test_pods_are_restricted(name):
    """The pod security level "restricted", rule by rule."""
    for pod in pods(render(MATRIX[name])):
        assert pod["securityContext"]["runAsNonRoot"] and pod["securityContext"].get("runAsUser") != 0
        assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"
        assert not any(pod.get(k) for k in ("hostNetwork", "hostPID", "hostIPC"))
        assert pod["automountServiceAccountToken"] is False
        assert {s["name"] for s in pod["securityContext"].get("sysctls", [])} <= {"net.ipv4.ip_unprivileged_port_start"}
        for volume in pod["volumes"]:
            assert set(volume) & {"configMap", "emptyDir", "persistentVolumeClaim", "secret", "image"}
        for container in pod["containers"] + pod.get("initContainers", []):
            if container["name"] in ("wait", "logs"):  # the values' own
                continue
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"]["drop"] == ["ALL"]
            assert security["readOnlyRootFilesystem"] and security["runAsNonRoot"]


@pytest.mark.parametrize("values,named", [
    ({"autoscaling": {"mode": "both"}}, "mode"), ({"replicas": -1}, "replicas"), ({"replicaCount": 3}, "replicaCount"),
    ({"models": {"existingClaim": "a", "claim": {"create": True}}}, "models"),
    ({"models": {"claim": {"create": True}}}, "models.fetch.source"),
    ({"models": {"claim": {"create": True, "accessMode": "ReadOnlyMany"}}}, "accessMode"),
    ({"models": {"claim": {"create": True, "accessMode": "ReadWriteOnce"}, "fetch": {"source": "s3://a/b"}}},
     "ReadWriteMany"),
    ({"models": {"image": {"reference": "a"}, "fetch": {"source": "s3://a/b"}}}, "models.image.reference"),
    ({"auth": {"secretName": "a", "tokens": [{"name": "b", "token": "c"}]}}, "auth"),
    ({"auth": {"tokens": [{"name": "b"}]}}, "tokens"), ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
    ({"config": {"shutdown_grace": "10m"}}, "shutdown_grace"), ({"config": {"listen": ["0.0.0.0:1"]}}, "config"),
    ({"service": {"type": "Elsewhere"}}, "type"), ({"gpu": {"count": 0}}, "count"), ({"gpu": {"count": 2}}, "count"),
    ({"gpu": {"deviceClassName": "a", "existingClaimTemplate": "b"}}, "gpu.deviceClassName"),
    ({"autoscaling": {"minReplicas": 5, "maxReplicas": 4}}, "minReplicas"),
    ({"autoscaling": {"minReplicas": 0}}, "minReplicas"), ({"image": {"digest": "latest"}}, "digest"),
    ({"gateway": {"enabled": True}}, "gateway.parentRefs"),
    ({"gateway": {"enabled": True, "parentRefs": [{"name": "a"}], "tlsPassthrough": True}}, "gateway.tlsPassthrough"),
    ({"gateway": {"enabled": True, "parentRefs": [{"name": "a"}]}, "tls": {"secretName": "a"}},
     "gateway.backendTLSPolicy"),
    ({"config": {"http_listen": ["[::]:8502"]}}, "http.port"), ({"http": {"port": 65536}}, "port"),
    ({"models": {"fetch": {"source": "http://mirror.example/hiif/"}}}, "networkPolicy.egress"),
    ({"models": {"fetch": {"source": "https://mirror.example:8443/one.safetensors"}}}, "networkPolicy.egress"),
    ({"models": {"fetch": {"source": "s3://a/b", "arguments": ["--s3-endpoint=http://minio:9000"]}}},
     "networkPolicy.egress"),
    ({"service": {"ipFamilies": ["IPv5"]}}, "ipFamilies"), ({"openshift": "perhaps"}, "openshift"),
    ({"batch": {"enabled": True}}, "batch.claim"), ({"nameOverride": "n" * 53}, "nameOverride"),
    ({"terminationGracePeriodSeconds": 130}, "terminationGracePeriodSeconds"),
    ({"config": {"shutdown_grace": "600s"}}, "terminationGracePeriodSeconds"),
])
def test_wrong_values_are_refused(values, named):
    with pytest.raises(Exception, match=named):
        render(values)


@pytest.mark.parametrize("values", [
    {"networkPolicy": {"enabled": False}}, {"networkPolicy": {"egress": [{"ports": [{"port": 8443}]}]}}])
def test_weights_from_another_port_where_it_is_open(values):
    fetch = {"source": "https://mirror.example:8443/hiif/"}
    assert "--http-url=https://mirror.example:8443/hiif/" in one({**values, "models": {"fetch": fetch}}, "Deployment")[
        "spec"]["template"]["spec"]["initContainers"][0]["args"]
    render({"models": {"fetch": {"source": "https://mirror.example:443/a:80/"}}})


@pytest.mark.parametrize("name", MATRIX)
def test_the_server_takes_its_configuration(name, tmp_path):
    """The config map is a file that this build of hiif-server reads, and nothing in the image's environment wins over it."""
    settings = json.loads(one(MATRIX[name], "ConfigMap")["data"]["config.json"])
    gpu = MATRIX[name].get("gpu", {}).get("enabled", False)
    assert settings.pop("device", None) == ("cuda" if gpu else None)  # which a build without CUDA refuses
    config = tmp_path / "config.json"
    config.write_text(json.dumps(settings))
    result = subprocess.run([BIN / "hiif-server", "--config", config, "--print-config"],
                            capture_output=True, text=True, check=False,
                            env=dockerfile.environment("cuda" if gpu else "cpu"))
    assert result.returncode == 0, result.stderr
    printed = json.loads(result.stdout)
    assert {name: printed[name] for name in settings} == settings
    ports = container(MATRIX[name])["ports"]
    listening = [printed["listen"][0], printed["management_listen"], *printed["http_listen"]]
    assert listening == [f"[::]:{p['containerPort']}" for p in ports]


def container(values, kind="Deployment"):
    return one(values, kind)["spec"]["template"]["spec"]["containers"][0]


def test_what_the_values_ask_for_is_there():
    hpa = one(MATRIX["hpa"], "HorizontalPodAutoscaler")["spec"]
    assert hpa["maxReplicas"] == 100
    assert hpa["metrics"][0]["pods"]["metric"]["name"] == "hiif_estimated_drain_seconds"
    assert "replicas" not in one(MATRIX["hpa"], "Deployment")["spec"]
    assert "HorizontalPodAutoscaler" not in render(MATRIX["keda"])
    monitor = one(MATRIX["monitoring"], "ServiceMonitor")["spec"]["selector"]["matchLabels"]
    services = render(MATRIX["monitoring"])["Service"]
    chosen = [s for s in services if monitor.items() <= s["metadata"]["labels"].items()]
    assert [s["spec"].get("clusterIP") for s in chosen] == ["None"]
    config = json.loads(one(MATRIX["mutual-tls"], "ConfigMap")["data"]["config.json"])
    assert config["tls_client_ca"] == "/tls/ca.crt" and "insecure_listen" not in config
    job = one(MATRIX["batch"], "Job")["spec"]
    assert job["completionMode"] == "Indexed" and job["completions"] == 8
    assert "NetworkPolicy" not in render(MATRIX["open"])
    annotations = one(MATRIX["no-operator"], "Deployment")["spec"]["template"]["metadata"]["annotations"]
    assert annotations["prometheus.io/port"] == "8501"
    assert one(MATRIX["pulled"], "Job")["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "registry"}]
    assert container(MATRIX["pulled"])["image"] == "registry.example/hiif@sha256:" + "2" * 64
    named = {m["metadata"]["name"] for items in render(MATRIX["named"]).values() for m in items}
    assert named == {"photos", "photos-headless"}
    assert one(MATRIX["accounts"], "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "reader"
    assert "ServiceAccount" not in render(MATRIX["accounts"])


def test_gpus():
    limits = lambda name: container(MATRIX[name])["resources"]["limits"]  # noqa: E731
    assert limits("gpu")["nvidia.com/gpu"] == 1 and limits("mig")["nvidia.com/mig-1g.10gb"] == 1
    assert limits("gpu")["memory"] == "8Gi" and limits("default")["memory"] == "2Gi"
    assert container(MATRIX["gpu"])["image"].endswith("-cuda")
    # A pool without a free GPU: one pod goes before the next one comes.
    assert one(MATRIX["gpu"], "Deployment")["spec"]["strategy"]["rollingUpdate"] == {
        "maxSurge": 0, "maxUnavailable": 1}
    for name in ("dra", "dra-template"):
        assert not [k for k in limits(name) if k.startswith("nvidia")]
        assert container(MATRIX[name])["resources"]["claims"] == [{"name": "gpu"}]
    template = one(MATRIX["dra"], "ResourceClaimTemplate")["metadata"]["name"]
    assert one(MATRIX["dra"], "Deployment")["spec"]["template"]["spec"]["resourceClaims"] == [
        {"name": "gpu", "resourceClaimTemplateName": template}]
    assert container(MATRIX["gpu-batch"])["image"].endswith(":cuda")
    assert container(MATRIX["gpu-batch"], "Job")["image"] == "hiif-serve:0.1.0"
    assert container({**MATRIX["batch"], "image": {"tag": "mine"}}, "Job")["image"] == "hiif-serve:mine"


@pytest.mark.parametrize("resources", [None, {"limits": None, "requests": None}, {"limits": {"cpu": None, "memory": None}}])
def test_without_limits(resources):
    """Helm takes away what is null; the device stays."""
    found = container({"gpu": {"enabled": True, "resources": resources}})["resources"]
    assert found["limits"] == {"nvidia.com/gpu": 1} and isinstance(found["requests"], dict)
    found = container({"resources": resources})["resources"]
    assert found["limits"] == {} and isinstance(found["requests"], dict)


@pytest.mark.parametrize("values", [{}, {"fullnameOverride": "2024", "serviceAccount": {"name": "7"}}, {"nameOverride": "12"}])
def test_names_of_digits_are_text(values):
    """YAML would make numbers of them, which Kubernetes takes for no name."""
    values = {**values, "batch": {"enabled": True, "claim": "images"}, "autoscaling": {"mode": "hpa"}, "monitoring": {
        "serviceMonitor": True, "prometheusRule": True, "dashboard": {"enabled": True}}}

    def numbers(node, path=""):
        children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, child in children:
            here = f"{path}.{key}"
            if not isinstance(child, str) and re.search(r"\.name$|[lL]abels\.[^.]*$|app\.kubernetes\.io/\w+$|serviceAccountName$", here):
                yield here
            yield from numbers(child, here)

    for kind, items in render(values, name="2024").items():
        for manifest in items:
            assert not [path for path in numbers(manifest) if not path.endswith("abels")], kind


def digits(schema, value, path, seen):
    """The value with 7 for each text in it that the schema leaves free; seen gets their paths."""
    if isinstance(value, dict):
        parts, others = schema.get("properties", {}), schema.get("additionalProperties")
        return {k: digits(parts.get(k, others if isinstance(others, dict) else {}), v,
                          (*path, k) if k in parts else path, seen) for k, v in value.items()}
    if isinstance(value, list):
        return [digits(schema.get("items", {}), v, path, seen) for v in value]
    if schema.get("type") != "string" or "pattern" in schema or value == "":
        return value
    seen.add(".".join(path))
    return "7"


def over(defaults, values):
    """Values laid over others, as Helm does."""
    if not isinstance(defaults, dict) or not isinstance(values, dict):
        return values
    return {**defaults, **{k: over(defaults.get(k), v) for k, v in values.items()}}


def free_texts(schema, path=()):
    if schema.get("type") == "string" and "pattern" not in schema:
        yield ".".join(path)
    for name, part in schema.get("properties", {}).items():
        yield from free_texts(part, (*path, name))
    for part in (schema.get("items"), schema.get("additionalProperties")):
        if isinstance(part, dict):
            yield from free_texts(part, path)


def test_every_text_of_digits_stays_text():
    """Each that the schema leaves free is 7 in a row of the matrix, and Kubernetes' schemas say what is to be text."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    defaults = yaml.safe_load((CHART / "values.yaml").read_text())
    # What no row of the matrix has.
    more = {"batch": {**MATRIX["batch-tls"]["batch"], "nodeSelector": {"a": "b"},
                      "image": {"repository": "a", "tag": "b"}},
            "image": {"tag": "a"}, "autoscaling": {"mode": "keda", "keda": {"query": "a"}},
            "gateway": {"parentRefs": [{"name": "a", "group": "b", "kind": "c"}], "enabled": True,
                        "annotations": {"b": "c"}}}
    seen = set()
    for row in [*MATRIX.values(), more]:
        for kind, items in render(digits(schema, over(defaults, row), (), seen)).items():
            for manifest in items:
                if kind in custom_resources.KINDS:
                    custom_resources.validate(manifest)
                else:
                    kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)
    assert set(free_texts(schema)) - seen == set()


def test_a_batchs_files_may_have_quotes():
    batch = {**MATRIX["batch"]["batch"], "manifest": 'the "best".txt', "output": 'a "b"'}
    arguments = container({"batch": batch}, "Job")["args"]
    assert '@/data/the "best".txt' in arguments and '/data/a "b"' in arguments


def test_a_batchs_relative_names_are_of_its_claim():
    """Those in its manifest, which hiif looks for where it stands."""
    own = container(MATRIX["batch"], "Job")
    claim, = (m["mountPath"] for m in own["volumeMounts"] if m["name"] == "data")
    assert own["workingDir"] == claim and f"@{claim}/manifest.txt" in own["args"]


def test_an_autoscaled_release_keeps_its_number_of_pods(tmp_path):
    """What lookup would find in a cluster is put in its place; without one the field is left out."""
    chart = tmp_path / "hiif"
    shutil.copytree(CHART, chart)
    deployment = chart / "templates/deployment.yaml"
    text = deployment.read_text()
    asked = 'lookup "apps/v1" "Deployment" .Release.Namespace (include "hiif.name" .)'
    assert asked in text
    deployment.write_text(text.replace(asked, 'dict "spec" (dict "replicas" 7)'))
    for mode in ("hpa", "keda"):
        values = {"autoscaling": {"mode": mode}}
        assert render(values, chart=chart)["Deployment"][0]["spec"]["replicas"] == 7
        assert "replicas" not in one(values, "Deployment")["spec"]
    assert render({"replicas": 3}, chart=chart)["Deployment"][0]["spec"]["replicas"] == 3


def test_the_documents_find_the_batch():
    """Its Job's name ends in a digest."""
    label = re.search(r"^kubectl get jobs -l (\S+)=(\S+)", (ROOT / "docs/deployment.md").read_text(), re.MULTILINE)
    job = render(MATRIX["batch"], name="hiif")["Job"][0]
    assert job["metadata"]["labels"][label[1]] == label[2]


def test_the_documents_upgrade_with_the_new_charts_defaults():
    """--reuse-values leaves them out, and a template that asks for a value that is new fails."""
    for page in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", CHART / "README.md"):
        assert "--reuse-values" not in page.read_text(), page
    assert "--reset-then-reuse-values" in (CHART / "README.md").read_text()


def grpc_rule(values):
    return next(r for r in one(values, "NetworkPolicy")["spec"]["ingress"] if r["ports"] == [{"port": "grpc"}])


def test_networks():
    """Where the outside is asked in, the policy lets it in; the management port is for those who scrape."""
    assert grpc_rule({})["from"] == [{"podSelector": {}}]
    for name in ("load-balancer", "node-port", "gateway", "gateway-tls"):
        assert "from" not in grpc_rule(MATRIX[name])
    policy = one({}, "NetworkPolicy")["spec"]
    scrapers = next(r for r in policy["ingress"] if r["ports"] == [{"port": "management"}])["from"]
    assert {"namespaceSelector": {}} not in scrapers and len(scrapers) == 2
    assert policy["egress"] == []
    assert [r["ports"] for r in one({"networkPolicy": {"monitoring": []}}, "NetworkPolicy")["spec"]["ingress"]] == [
        [{"port": "grpc"}]]
    assert {"port": 443, "protocol": "TCP"} in one(MATRIX["fetch"], "NetworkPolicy")["spec"]["egress"][0]["ports"]
    for service in render(MATRIX["dual-stack"])["Service"]:
        assert service["spec"]["ipFamilies"] == ["IPv6", "IPv4"]
    web = MATRIX["http"]
    assert {"name": "http", "port": 8502, "targetPort": "http"} in one(web, "Service")["spec"]["ports"]
    assert [r["ports"] for r in one(web, "NetworkPolicy")["spec"]["ingress"]][0] == [{"port": "grpc"}, {"port": "http"}]
    route = one(MATRIX["gateway"], "GRPCRoute")["spec"]["rules"][0]["backendRefs"][0]
    assert route["name"] in [s["metadata"]["name"] for s in render(MATRIX["gateway"])["Service"]]
    assert "GRPCRoute" not in render(MATRIX["gateway-tls"])


def test_openshift_chooses_the_ids():
    for name in ("openshift", "no-ids"):
        for pod in pods(render(MATRIX[name])):
            for context in (pod["securityContext"], *(c["securityContext"] for c in pod["containers"])):
                assert not {"runAsUser", "runAsGroup", "fsGroup"} & set(context)
    for pod in pods(render({})):
        assert pod["securityContext"]["runAsUser"] == pod["securityContext"]["fsGroup"] == 10001
    nothing = render({"podSecurityContext": None, "securityContext": None, **MATRIX["batch"]})
    for pod in pods(nothing):
        assert pod["securityContext"] == {} and pod["containers"][0]["securityContext"] == {}


@pytest.mark.parametrize("values,low", [
    ({}, False), (MATRIX["low-ports"], True), ({"http": {"port": 1023}}, True), ({"http": {"port": 1024}}, False),
    ({"service": {"managementPort": 80}}, True), ({"service": {"port": 443}, "podSecurityContext": None}, True)])
def test_low_ports_are_for_the_server_too(values, low):
    """It is not root, whom some container runtimes keep them for; the batch listens nowhere."""
    told = {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"}
    server, *batch = (pod["securityContext"].get("sysctls") for pod in pods(render(values)))
    assert server == ([told] if low else None) and set(batch) <= {None}
    # What the values have stays, and is not said twice.
    own = [{"name": "net.ipv4.tcp_keepalive_time", "value": "60"}]
    assert pods(render(over(values, {"podSecurityContext": {"sysctls": own}})))[0]["securityContext"]["sysctls"] == (
        [*own, told] if low else own)
    own = [{**told, "value": "80"}]
    assert pods(render(over(values, {"podSecurityContext": {"sysctls": own}})))[0]["securityContext"]["sysctls"] == own


def pod_name(deployment, digest):
    """As Kubernetes makes it: what stands before the five random characters is cut to 58."""
    return f"{deployment}-{digest}-"[:58] + "x2k4q"


def test_keda_finds_the_pods_of_this_release_alone():
    """By labels that there are with the operator and without."""
    trigger = one(MATRIX["keda-authentication"], "ScaledObject")["spec"]["triggers"][0]
    assert trigger["metadata"]["authModes"] == "bearer" and trigger["authenticationRef"] == {"name": "thanos"}
    digests = "6f9d4b7c", "6f9d4b7c5", "6f9d4b7c5d"
    for name in "demo-hiif", *("a" * length for length in range(40, 53)):
        query = one({**MATRIX["keda"], "fullnameOverride": name}, "ScaledObject")["spec"]["triggers"][0]["metadata"]["query"]
        namespace, pod = re.fullmatch(r'sum\(hiif_estimated_drain_seconds\{namespace="(.*)",pod=~"(.*)"\}\)', query).groups()
        assert namespace == "images"
        assert all(re.fullmatch(pod, pod_name(name, digest)) for digest in digests), name
        for other in f"{name}-b", f"other-{name}", f"{name}-b-c":
            assert len(other) > 52 or not any(re.fullmatch(pod, pod_name(other, digest)) for digest in digests), other
    assert pod_name("a" * 52, digests[0]).count("-") == 1


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
    known = hiif("upscale", "--help").stdout
    assert all(flag in known for flag in re.findall(r" (--[a-z-]+)", notes))
    commands = [line.split() for line in notes.splitlines() if line.strip().startswith("hiif ")]
    if not MATRIX[name].get("tls"):
        assert "--tls" not in notes
        return
    # One name for the certificate, whichever way the command takes.
    headless = next(s["metadata"]["name"] for s in render(MATRIX[name])["Service"] if s["spec"].get("clusterIP") == "None")
    called = [words[words.index("--tls-server-name") + 1] if "--tls-server-name" in words
              else re.match(r"dns:///(.*):\d+", words[words.index("--server") + 1])[1] for words in commands if "--tls" in words]
    assert len(commands) == 2 and called == [f"{headless}.images"] * 2


def documented_values():
    documents = [*(ROOT / "docs").glob("*.md"), CHART / "README.md"]
    return [pytest.param(yaml.safe_load(block), id=f"{d.name}-{i}") for d in sorted(documents)
            for i, block in enumerate(re.findall(r"^```yaml values\n(.*?)^```", d.read_text(), re.MULTILINE | re.DOTALL))]


@pytest.mark.parametrize("values", documented_values())
def test_values_of_the_documents(values):
    for kind, items in render(values).items():
        for manifest in items:
            if kind in custom_resources.KINDS:
                custom_resources.validate(manifest)
            else:
                kubernetes_validate.validate(manifest, kubernetes_validate.latest_version(), strict=True)


def test_the_table_of_values_is_up_to_date():
    """And so are the copies of rules and dashboard."""
    result = subprocess.run([sys.executable, ROOT / "scripts/lib/chart_pages.py", "--check"], capture_output=True,
                            text=True, check=False)
    assert result.returncode == 0, result.stderr
