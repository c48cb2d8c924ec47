"""The chart rendered by Helm's own engine, for a matrix of values."""

import helm_python
import yaml

from processes import ROOT

CHART = ROOT / "helm" / "hiif"
MATRIX = {
    "default": {},
    "gpu": {"gpu": {"enabled": True, "count": 2}, "image": {"tag": "cuda"}},
    "tls": {"tls": {"secretName": "certificate"}},
    "mutual-tls": {"tls": {"secretName": "certificate", "clientCA": "ca.crt"}},
    "auth": {"auth": {"secretName": "tokens"}},
    "hpa": {"autoscaling": {"mode": "hpa", "maxReplicas": 100}},
    "keda": {"autoscaling": {"mode": "keda"}},
    "monitoring": {"monitoring": {"serviceMonitor": True, "prometheusRule": True, "labels": {"a": "b"}}},
    "claim": {"models": {"existingClaim": "weights", "subPath": "v1"}},
    "own-claim": {"models": {"claim": {"create": True, "storageClassName": "fast"}}},
    "own-tokens": {"auth": {"tokens": [{"name": "archive", "token": "secret", "scopes": ["upscale"]}]}},
    "batch-tls": {"batch": {"enabled": True, "claim": "images", "clientCertificate": "pods",
                            "token": {"secretName": "pod-token"}},
                  "tls": {"secretName": "certificate"}, "auth": {"secretName": "tokens"},
                  "networkPolicy": {"clients": [{"podSelector": {}}]}},
    "open": {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False},
             "topologySpread": False},
    "closed": {"networkPolicy": {"clients": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                                 "monitoring": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}]}},
    "batch": {"batch": {"enabled": True, "claim": "images", "completions": 8}},
    "placed": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
               "podAnnotations": {"x": "y"}, "podLabels": {"team": "maps"}, "replicas": 0,
               "imagePullSecrets": [{"name": "registry"}], "service": {"annotations": {"k": "v"}}},
    "everything": {"gpu": {"enabled": True}, "tls": {"secretName": "c"}, "auth": {"secretName": "t"},
                   "autoscaling": {"mode": "hpa"}, "monitoring": {"serviceMonitor": True},
                   "models": {"existingClaim": "weights"}, "batch": {"enabled": True, "claim": "c"}},
}


def render(values, name="demo", namespace="images"):
    """The manifests, by kind."""
    with helm_python.Chart.load(CHART) as chart:
        chart.validate_schema(values)
        rendered = chart.render(values=values, name=name, namespace=namespace)
    texts = rendered.values() if isinstance(rendered, dict) else [rendered]
    found = {}
    for text in texts:
        if "apiVersion" not in text:
            continue
        for manifest in yaml.safe_load_all(text):
            if manifest:
                found.setdefault(manifest["kind"], []).append(manifest)
    return found
