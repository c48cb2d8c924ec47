"""An upgrade of the chart, simulated: no object that keeps its name changes what Kubernetes lets nobody change."""

import copy
import functools
import itertools

import pytest
import yaml

from chart import MATRIX, render
from processes import ROOT

BATCH = {"enabled": True, "claim": "images"}
# What the issue of an immutable Job was first seen with.
CHANGES = [{}, {"image": {"tag": "next"}}, {"image": {"pullPolicy": "Always"}}, {"service": {"port": 9000}},
           {"tls": {"secretName": "certificate"}}, {"gpu": {"enabled": True}}, {"batch": {**BATCH, "completions": 9}},
           {"batch": {**BATCH, "arguments": ["--scale", "2"]}}, {"podSecurityContext": {"runAsUser": 7}},
           {"imagePullSecrets": [{"name": "a"}]}, {"priorityClassName": "low"}]
# The paths of what cannot be changed, by kind.
IMMUTABLE = {
    "Deployment": ["spec.selector"],
    "Job": ["spec.template", "spec.selector", "spec.completions", "spec.completionMode", "spec.backoffLimitPerIndex"],
    "PersistentVolumeClaim": ["spec.accessModes", "spec.storageClassName", "spec.volumeName", "spec.selector"],
    "ResourceClaimTemplate": ["spec"],
    "Secret": ["type"],
    "Service": ["spec.clusterIP"],
}


def at(manifest, path):
    for part in path.split("."):
        manifest = (manifest or {}).get(part)
    return manifest


def forbidden(old, new):
    """(kind, name, path) of every change between two renderings that the API server would refuse."""
    found = []
    for kind, paths in IMMUTABLE.items():
        before = {m["metadata"]["name"]: m for m in old.get(kind, [])}
        for manifest in new.get(kind, []):
            name = manifest["metadata"]["name"]
            found += [(kind, name, p) for p in paths if name in before and at(before[name], p) != at(manifest, p)]
    return found


@functools.lru_cache
def rendered(number):
    values = [*CHANGES, *MATRIX.values()][number]
    return render({"batch": BATCH, **values})


def test_what_cannot_be_changed_is_found():
    old = rendered(0)
    new = copy.deepcopy(old)
    new["Job"][0]["spec"]["template"]["spec"]["containers"][0]["image"] = "another"
    new["Deployment"][0]["spec"]["selector"] = {}
    assert [(k, p) for k, _, p in forbidden(old, new)] == [("Deployment", "spec.selector"), ("Job", "spec.template")]


@pytest.mark.parametrize("start", range(len(CHANGES)))
def test_every_change_of_values_can_be_upgraded_to(start):
    for number in range(len(CHANGES) + len(MATRIX)):
        assert forbidden(rendered(start), rendered(number)) == []


def test_every_pair_of_the_matrix():
    every = range(len(CHANGES), len(CHANGES) + len(MATRIX))
    for old, new in itertools.permutations(every, 2):
        assert forbidden(rendered(old), rendered(new)) == []


@pytest.mark.parametrize("file", sorted((ROOT / "tests/deploy/releases").glob("*.yaml")), ids=lambda f: f.stem)
def test_from_a_released_chart(file):
    """The rendering of an earlier version, kept in releases/, of a release called demo."""
    old = {}
    for manifest in yaml.safe_load_all(file.read_text()):
        old.setdefault(manifest["kind"], []).append(manifest)
    for number in range(len(CHANGES) + len(MATRIX)):
        assert forbidden(old, rendered(number)) == []
    # The Deployment and the Services go on under their names: an upgrade is a roll-out, not an outage.
    names = lambda r, kind: {m["metadata"]["name"] for m in r[kind]}  # noqa: E731
    for kind in ("Deployment", "Service"):
        assert names(old, kind) == names(rendered(0), kind)
