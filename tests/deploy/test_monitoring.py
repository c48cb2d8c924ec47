"""Prometheus rules, and a real Prometheus that scrapes a real server for the dashboard."""

import copy
import json
import re
import shutil
import socket
import subprocess
import time

import pytest
import requests
import yaml

import dashboard
from chart import render
from processes import ROOT, hiif, make_stubs, run_server

DEPLOY = ROOT / "deploy" / "prometheus"
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus is not installed")


@pytest.mark.parametrize("command", [["check", "config", "prometheus.yaml"], ["check", "rules", "rules.yaml"],
                                     ["test", "rules", "rules_test.yaml"]])
def test_promtool(command):
    result = subprocess.run(["promtool", *command], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_test():
    rules = yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((DEPLOY / "rules_test.yaml").read_text())["tests"]
    fired = {t["alertname"] for group in tests for t in group["alert_rule_test"] if t["exp_alerts"]}
    assert fired == {r["alert"] for r in rules if "alert" in r}


def operator_labels(manifests):
    """The labels of a release's targets but for pod and instance, by what the Prometheus operator documents of a
    ServiceMonitor: the Service's namespace, name and label "jobLabel" (or its name), the port's and container's name."""
    monitor = manifests["ServiceMonitor"][0]["spec"]
    service, = (s for s in manifests["Service"]
                if monitor["selector"]["matchLabels"].items() <= s["metadata"]["labels"].items())
    name = service["metadata"]["name"]
    return {"job": service["metadata"]["labels"].get(monitor.get("jobLabel"), name), "service": name,
            "endpoint": monitor["endpoints"][0]["port"],
            "container": manifests["Deployment"][0]["spec"]["template"]["spec"]["containers"][0]["name"]}


def under_the_operator(case, ours, theirs):
    """A case of rules_test.yaml as it is in a cluster: with the operator's labels of the release, each series also for
    another release that stays as it began."""
    case = copy.deepcopy(case)
    series = []
    for one in case["input_series"]:
        name, labels = re.fullmatch(r"(\w+)\{(.*)\}", one["series"]).groups()
        labels = dict(re.findall(r'(\w+)="([^"]*)"', labels))
        begin = re.match(r"[0-9.]+", one["values"])[0]
        for release, values in ((ours, one["values"]), (theirs, f"{begin}x60")):
            pod = labels.get("instance", "a")
            full = {**labels, **release, "pod": pod, "instance": f"10.0.0.{ord(pod)}:8501"}
            text = ",".join(f'{k}="{v}"' for k, v in full.items())
            series.append({"series": f"{name}{{{text}}}", "values": values})
    case["input_series"] = series
    for test in case["alert_rule_test"]:
        for alert in test["exp_alerts"]:
            labels = alert["exp_labels"]
            if "instance" in labels:
                labels.update(ours, pod=labels["instance"], instance=f"10.0.0.{ord(labels['instance'])}:8501")
            else:
                labels.update({k: v for k, v in ours.items() if k in ("namespace", "service", *labels)})
    for test in case.get("promql_expr_test", []):
        name, = (s["labels"] for s in test["exp_samples"])
        both = [f'{name}{{namespace="{r["namespace"]}",service="{r["service"]}"}}' for r in (ours, theirs)]
        test["exp_samples"] = [{**test["exp_samples"][0], "labels": both[0]}, {"labels": both[1], "value": 0}]
    return case


@pytest.mark.parametrize("values", [{}], ids=["default"])
def test_the_charts_rules_under_the_operator(values, tmp_path):
    """Two releases in two namespaces, each with rules of its own: one's trouble fires one's alert, once."""
    values = {**values, "monitoring": {"serviceMonitor": True, "prometheusRule": True}}
    releases = []
    for number, (name, namespace) in enumerate((("demo", "images"), ("other", "photos"))):
        manifests = render(values, name, namespace)
        releases.append({**operator_labels(manifests), "namespace": namespace})
        groups = manifests["PrometheusRule"][0]["spec"]["groups"]
        # As the operator does for its files: names of groups are unique in each.
        (tmp_path / f"rules-{number}.yaml").write_text(yaml.safe_dump({"groups": groups}))
    cases = yaml.safe_load((DEPLOY / "rules_test.yaml").read_text())["tests"]
    tests = [under_the_operator(c, a, b) for c in cases for a, b in (releases, releases[::-1])]
    (tmp_path / "test.yaml").write_text(yaml.safe_dump(
        {"rule_files": ["rules-0.yaml", "rules-1.yaml"], "evaluation_interval": "1m", "tests": tests}))
    result = subprocess.run(["promtool", "test", "rules", "test.yaml"], cwd=tmp_path, capture_output=True, text=True,
                            check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_a_server_without_its_default_model_is_not_ready(tmp_path):
    """As HiifNotReady sees it: there is another model, which is ready."""
    models = tmp_path / "models"
    models.mkdir()
    shutil.copy(ROOT / "models/edsr-baseline-hiif-fast.safetensors", models)
    with run_server(tmp_path, "--default-model", "edsr-baseline-hif-fast", model_dir=models) as server:
        assert requests.get(server.management + "/readyz", timeout=10).status_code == 503
        lines = requests.get(server.management + "/metrics", timeout=10).text.splitlines()
    assert "hiif_ready 0" in lines
    assert [line for line in lines if re.fullmatch(r'hiif_model_state\{.*"ready".*\} 1', line)]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Scrapes a server that has served and refused, as it is (instance "plain") and with the labels that the operator
    sets; the base address."""
    folder = tmp_path_factory.mktemp("prometheus")
    make_stubs(tmp_path_factory.mktemp("stubs"))
    labels = {"namespace": "images", "pod": "demo-hiif-0",
              **operator_labels(render({"monitoring": {"serviceMonitor": True}}))}
    with run_server(folder) as server:
        target = server.management[7:]
        scrapes = [{"job_name": name, "static_configs": [{"targets": [target], "labels": more}]}
                   for name, more in (("plain", {"job": "hiif", "instance": "plain"}), ("operator", labels))]
        config = folder / "prometheus.yaml"
        config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": scrapes}))
        port = free_port()
        with open(folder / "prometheus.log", "wb") as log:
            process = subprocess.Popen(
                ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
                 f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        address = f"http://127.0.0.1:{port}"
        try:
            wait_for_scrapes(address, process, folder / "prometheus.log")  # counters are seen at 0 first
            for _ in range(2):
                hiif("upscale", ROOT / "examples/chelsea.png", "-o", folder / "o.png", "-s", 1.1, "--crop",
                     "0,0,60,40", "--exists", "overwrite", "--server", server.address)
            hiif("upscale", ROOT / "README.md", "-o", folder / "p.png", "--server", server.address, check=None)
            wait_for_scrapes(address, process, folder / "prometheus.log")
            yield address
        finally:
            process.terminate()
            process.wait()


def wait_for_scrapes(address, process, log, count=3):
    """Until each of the two targets was scraped so often from now on. A busy machine may need a while for the first."""
    begin = time.time()
    while time.time() < begin + 120 and process.poll() is None:
        try:
            since = 1 + int(1000 * (time.time() - begin))
            if len(ask(address, f"count_over_time(up[{since}ms]) >= {count} and up == 1")) == 2:
                return
        except requests.ConnectionError:
            pass  # it is not listening yet
        time.sleep(0.2)
    raise AssertionError("Prometheus has not scraped both targets:\n" + log.read_text()[-2000:])


def ask(prometheus, query):
    answer = requests.get(prometheus + "/api/v1/query", params={"query": query}, timeout=10)
    if answer.status_code == 503:
        raise requests.ConnectionError("it is starting")
    assert answer.status_code == 200, (query, answer.text)
    return answer.json()["data"]["result"]


# As Grafana puts several choices together, and All.
CHOICES = [{}, {"namespace": "images", "release": "demo-hiif-headless"},
           {"namespace": "(images|photos)", "release": "(demo-hiif-headless|other)", "model": "edsr-baseline-hiif"}]


@pytest.mark.parametrize("chosen", CHOICES, ids=["all", "release", "several"])
def test_every_query_of_the_dashboard_returns_data(prometheus, chosen):
    empty = [(panel["title"], target["expr"]) for panel in dashboard.panels() for target in panel["targets"]
             if not ask(prometheus, dashboard.expand(target["expr"], "10s", **chosen))]
    assert not empty


@pytest.mark.parametrize("chosen", [{"namespace": "photos"}, {"release": "other"}], ids=["namespace", "release"])
def test_every_query_is_of_what_was_chosen(prometheus, chosen):
    found = [(panel["title"], target["expr"]) for panel in dashboard.panels() for target in panel["targets"]
             if ask(prometheus, dashboard.expand(target["expr"], "10s", **chosen))]
    assert not found


def test_the_variables_have_values(prometheus):
    """label_values(SELECTOR, LABEL) is Grafana's word for the values of a label of these series."""
    values = {}
    for name, query in dashboard.variables().items():
        selector, label = re.fullmatch(r"label_values\((.*), (\w+)\)", query).groups()
        answer = requests.get(f"{prometheus}/api/v1/label/{label}/values", timeout=10,
                              params={"match[]": dashboard.expand(selector, "10s")})
        values[name] = answer.json()["data"]
    assert values["namespace"] == ["images"] and values["release"] == ["demo-hiif-headless"]
    assert "edsr-baseline-hiif" in values["model"]


def test_dashboard_of_the_chart():
    """The same file in a ConfigMap that Grafana's sidecar finds; two releases have two uids and titles."""
    own, copy_ = (ROOT / f for f in ("deploy/grafana/dashboards/hiif.json", "helm/hiif/files/dashboard.json"))
    assert own.read_text() == copy_.read_text()
    made = []
    for namespace in ("images", "photos"):
        manifests = render({"monitoring": {"dashboard": {"enabled": True}}}, namespace=namespace)
        found, = (m for m in manifests["ConfigMap"] if m["metadata"]["labels"].get("grafana_dashboard") == "1")
        made.append(json.loads(found["data"]["demo-hiif.json"]))
    assert made[0]["uid"] != made[1]["uid"] and made[0]["title"] != made[1]["title"]
    assert made[0]["panels"] == made[1]["panels"] == dashboard.DASHBOARD["panels"]
    assert len(made[0]["uid"]) <= 40  # Grafana's limit


def test_every_rule_can_be_evaluated(prometheus):
    for rule in yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]:
        ask(prometheus, rule["expr"])


def test_what_is_well_fires_nothing(prometheus):
    """The rules' expressions over a server that serves, but for the refusal that the test made."""
    for rule in yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]:
        if rule.get("alert") in ("HiifAbsent", "HiifDown", "HiifNotReady", "HiifModelFailed", "HiifPodQueueLong",
                                 "HiifQueueLong", "HiifErrors", "HiifOutOfMemory"):
            # Once: a single scrape that took too long makes a target `down`, which the rule's `for` waits out.
            end = time.time() + 60
            while (fires := ask(prometheus, rule["expr"])) and time.time() < end:
                time.sleep(1)
            assert fires == [], rule["alert"]
