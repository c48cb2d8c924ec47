"""deploy/envoy.yaml and deploy/gateway: structure and times, and Envoy's own opinion where Envoy is installed."""

import shutil
import subprocess

import pytest
import yaml

from processes import ROOT
from settings import default_of, seconds

PATH = ROOT / "deploy" / "envoy.yaml"


@pytest.fixture(scope="module")
def config():
    return yaml.safe_load(PATH.read_text())


@pytest.fixture(scope="module")
def manager(config):
    listener, = config["static_resources"]["listeners"]
    return listener["filter_chains"][0]["filters"][0]["typed_config"]


def test_every_extension_is_typed(config):
    """Each typed_config names its message, and each name is that of the extension it configures."""
    def walk(node):
        if isinstance(node, dict):
            if "typed_config" in node:
                assert node["typed_config"]["@type"].startswith("type.googleapis.com/envoy.extensions."), node
                assert node["name"].startswith("envoy."), node
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(config)


def test_what_strangers_may_send_is_bounded(manager):
    """The bounds that docs/security.md asks of a proxy."""
    http2 = manager["http2_protocol_options"]
    for bound in ("max_concurrent_streams", "initial_stream_window_size", "initial_connection_window_size",
                  "max_outbound_control_frames", "max_consecutive_inbound_frames_with_empty_payload"):
        assert http2[bound] > 0
    # Envoy refuses windows below 65,535.
    assert http2["initial_stream_window_size"] >= 65535
    assert manager["max_request_headers_kb"] <= 64
    assert manager["request_headers_timeout"]


def test_callers_behind_it(config):
    """A pipe has no address to tell them apart by, and the documents say so."""
    cluster, = config["static_resources"]["clusters"]
    endpoint = cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"]
    assert list(endpoint["address"]) == ["pipe"]
    assert "apart by address" not in PATH.read_text()
    assert "only tokens tell callers apart" in (ROOT / "docs/security.md").read_text()


def test_a_request_may_wait_in_the_queue(manager):
    """No message comes before it leaves it: a stream that is ended there is sent, and queued, again."""
    queue = seconds(default_of("max_queue_time"))
    assert seconds(manager["stream_idle_timeout"]) > queue
    for route in manager["route_config"]["virtual_hosts"][0]["routes"]:
        assert seconds(route["route"]["max_stream_duration"]["max_stream_duration"]) > queue


def test_a_request_may_wait_in_the_queue_behind_the_gateway():
    path = ROOT / "deploy" / "gateway" / "envoy-gateway.yaml"
    policies = {item["kind"]: item["spec"]["timeout"]["http"] for item in yaml.safe_load_all(path.read_text())
                if item["kind"].endswith("TrafficPolicy")}
    queue = seconds(default_of("max_queue_time"))
    assert seconds(policies["ClientTrafficPolicy"]["streamIdleTimeout"]) > queue
    assert seconds(policies["BackendTrafficPolicy"]["maxStreamDuration"]) > queue
    assert seconds(policies["BackendTrafficPolicy"]["requestTimeout"]) == 0


def test_only_the_service_is_reached(manager):
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert {r["match"]["prefix"] for r in routes} == {"/hiif.v1.SuperResolutionService/", "/grpc.health.v1.Health/"}
    # Results are streams: no time for the whole answer, but one for the stream.
    for route in routes:
        assert route["route"]["timeout"] == "0s" and route["route"]["max_stream_duration"]


def test_clusters_are_defined(config, manager):
    names = {cluster["name"] for cluster in config["static_resources"]["clusters"]}
    routes = manager["route_config"]["virtual_hosts"][0]["routes"]
    assert {r["route"]["cluster"] for r in routes} <= names
    monitors = {m["name"] for m in config["overload_manager"]["resource_monitors"]}
    for action in config["overload_manager"]["actions"]:
        assert {t["name"] for t in action["triggers"]} <= monitors


@pytest.mark.skipif(shutil.which("envoy") is None, reason="envoy is not installed")
def test_envoy_takes_it():
    result = subprocess.run(["envoy", "--mode", "validate", "-c", PATH], capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
