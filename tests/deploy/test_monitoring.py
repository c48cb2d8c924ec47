"""Prometheus rules, and a real Prometheus that scrapes a real server for the dashboard."""

import json
import shutil
import socket
import subprocess
import time

import pytest
import requests

from processes import ROOT, hiif, make_stubs, run_server

DEPLOY = ROOT / "deploy" / "prometheus"
pytestmark = pytest.mark.skipif(shutil.which("promtool") is None, reason="prometheus is not installed")


@pytest.mark.parametrize("command", [["check", "config", "prometheus.yaml"], ["check", "rules", "rules.yaml"],
                                     ["test", "rules", "rules_test.yaml"]])
def test_promtool(command):
    result = subprocess.run(["promtool", *command], cwd=DEPLOY, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_every_alert_has_a_test():
    import yaml
    rules = yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]
    tests = yaml.safe_load((DEPLOY / "rules_test.yaml").read_text())["tests"]
    fired = {t["alertname"] for group in tests for t in group["alert_rule_test"] if t["exp_alerts"]}
    assert fired == {r["alert"] for r in rules if "alert" in r}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory):
    """Scrapes a server that has served and refused; the base address."""
    folder = tmp_path_factory.mktemp("prometheus")
    make_stubs(tmp_path_factory.mktemp("stubs"))
    with run_server(folder) as server:
        config = folder / "prometheus.yaml"
        config.write_text(f"global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: hiif\n"
                          f"  static_configs: [{{targets: ['{server.management[7:]}']}}]\n")
        port = free_port()
        process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            time.sleep(3)  # counters are seen at 0 first
            for _ in range(2):
                hiif("upscale", ROOT / "examples/chelsea.png", "-o", folder / "o.png", "-s", 1.1, "--crop",
                     "0,0,60,40", "--exists", "overwrite", "--server", server.address)
            hiif("upscale", ROOT / "README.md", "-o", folder / "p.png", "--server", server.address, check=None)
            time.sleep(4)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait()


def test_every_query_of_the_dashboard_returns_data(prometheus):
    dashboard = json.loads((ROOT / "deploy/grafana/dashboards/hiif.json").read_text())
    empty = []
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            answer = requests.get(prometheus + "/api/v1/query", params={"query": target["expr"]}, timeout=10)
            assert answer.status_code == 200, (panel["title"], answer.text)
            if not answer.json()["data"]["result"]:
                empty.append((panel["title"], target["expr"]))
    assert not empty


def test_every_rule_can_be_evaluated(prometheus):
    import yaml
    for rule in yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]:
        answer = requests.get(prometheus + "/api/v1/query", params={"query": rule["expr"]}, timeout=10)
        assert answer.status_code == 200, answer.text
