"""The chart rendered by Helm's own engine, for a matrix of values."""

import copy
import functools
import json

import helm_python
import yaml

from processes import ROOT

CHART = ROOT / "helm" / "hiif"
FETCH = {"source": "s3://weights/hiif", "arguments": ["--s3-provider=AWS"], "secretName": "reader"}
MATRIX = {
    "default": {},
    "gpu": {"gpu": {"enabled": True}, "nodeSelector": {"cloud.google.com/gke-accelerator": "nvidia-l4"}},
    "mig": {"gpu": {"enabled": True, "resource": "nvidia.com/mig-1g.10gb"}, "runtimeClassName": "nvidia"},
    "dra": {"gpu": {"enabled": True, "deviceClassName": "gpu.nvidia.com", "selectors": [
        "device.capacity['gpu.nvidia.com'].memory.isGreaterThan(quantity('40Gi'))"]}},
    "dra-template": {"gpu": {"enabled": True, "existingClaimTemplate": "half-gpu"}},
    "gpu-batch": {"gpu": {"enabled": True}, "image": {"tag": "cuda"}, "batch": {"enabled": True, "claim": "images"}},
    "tls": {"tls": {"secretName": "certificate"}},
    "mutual-tls": {"tls": {"secretName": "certificate", "clientCA": "ca.crt"}},
    "auth": {"auth": {"secretName": "tokens"}},
    "hpa": {"autoscaling": {"mode": "hpa", "maxReplicas": 100}},
    "keda": {"autoscaling": {"mode": "keda"}},
    "keda-authentication": {"autoscaling": {"mode": "keda", "prometheusAddress": "https://thanos-querier:9092", "keda": {
        "triggerMetadata": {"authModes": "bearer"}, "authenticationRef": {"name": "thanos"}}}},
    "monitoring": {"monitoring": {"serviceMonitor": True, "prometheusRule": True, "labels": {"a": "b"},
                                  "dashboard": {"enabled": True, "annotations": {"grafana_folder": "images"}}}},
    "no-operator": {"monitoring": {"scrapeAnnotations": True}},
    "claim": {"models": {"existingClaim": "weights", "subPath": "v1"}},
    "own-claim": {"models": {"claim": {"create": True, "storageClassName": "fast"}, "fetch": FETCH}},
    "one-node-claim": {"models": {"claim": {"create": True, "accessMode": "ReadWriteOnce"}, "fetch": FETCH},
                       "replicas": 1},
    "fetch": {"models": {"fetch": FETCH}, "serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:x"}}},
    "fetch-gs": {"models": {"fetch": {"source": "gs://weights/hiif"}}},
    "fetch-https": {"models": {"fetch": {"source": "https://mirror.example/hiif/"}}},
    "fetch-one": {"models": {"fetch": {"source": "https://mirror.example/hiif/small.safetensors", "image": {
        "repository": "mirror.example/rclone", "digest": "sha256:" + "0" * 64}}}},
    "model-image": {"models": {"image": {"reference": "mirror.example/weights@sha256:" + "1" * 64}}},
    "own-tokens": {"auth": {"tokens": [{"name": "archive", "token": "secret", "scopes": ["upscale"]}]}},
    "batch-tls": {"batch": {"enabled": True, "claim": "images", "clientCertificate": "pods",
                            "token": {"secretName": "pod-token"}},
                  "tls": {"secretName": "certificate"}, "auth": {"secretName": "tokens"},
                  "networkPolicy": {"clients": [{"podSelector": {}}]}},
    "open": {"networkPolicy": {"enabled": False}, "podDisruptionBudget": {"enabled": False},
             "topologySpread": False},
    "closed": {"networkPolicy": {"clients": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                                 "monitoring": [{"namespaceSelector": {"matchLabels": {"a": "b"}}}],
                                 "egress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}]}},
    "batch": {"batch": {"enabled": True, "claim": "images", "completions": 8, "ttlSecondsAfterFinished": 3600}},
    "placed": {"nodeSelector": {"a": "b"}, "tolerations": [{"key": "gpu", "operator": "Exists"}],
               "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                   {"matchExpressions": [{"key": "a", "operator": "Exists"}]}]}}},
               "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone",
                                              "whenUnsatisfiable": "DoNotSchedule"}],
               "podAnnotations": {"x": "y"}, "podLabels": {"team": "maps"}, "replicas": 0,
               "priorityClassName": "high", "schedulerName": "gpu-scheduler"},
    "pulled": {"image": {"repository": "registry.example/hiif", "digest": "sha256:" + "2" * 64},
               "imagePullSecrets": [{"name": "registry"}], "batch": {"enabled": True, "claim": "images"}},
    "named": {"nameOverride": "superres", "fullnameOverride": "photos"},
    "accounts": {"serviceAccount": {"create": False, "name": "reader"}},
    "own-pod": {"extraEnv": [{"name": "HIIF_WORKERS", "value": "2"}], "envFrom": [{"secretRef": {"name": "proxy"}}],
                "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
                "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/own"}],
                "initContainers": [{"name": "wait", "image": "busybox:1", "command": ["true"]}],
                "extraContainers": [{"name": "logs", "image": "fluent-bit:4"}],
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}, "dnsPolicy": "None",
                "dnsConfig": {"nameservers": ["10.0.0.10"]}, "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["s3"]}],
                "strategy": {"type": "Recreate"}},
    "openshift": {"openshift": True, "batch": {"enabled": True, "claim": "images"}},
    "no-ids": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "load-balancer": {"service": {"type": "LoadBalancer", "loadBalancerSourceRanges": ["192.0.2.0/24"],
                                  "loadBalancerClass": "service.k8s.aws/nlb", "externalTrafficPolicy": "Local",
                                  "annotations": {"k": "v"}, "labels": {"l": "m"}}},
    "node-port": {"service": {"type": "NodePort", "nodePort": 30850}},
    "ipv6": {"service": {"ipFamilies": ["IPv6"], "ipFamilyPolicy": "SingleStack"}},
    "dual-stack": {"service": {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "RequireDualStack"}},
    "own-ports": {"service": {"port": 9000, "managementPort": 9501}, "config": {"log_format": "text"}},
    "low-ports": {"service": {"port": 443}, "http": {"port": 80}, "batch": {"enabled": True, "claim": "images"}},
    "gateway": {"gateway": {"enabled": True, "hostnames": ["hiif.example.org"],
                            "parentRefs": [{"name": "public", "namespace": "gateways", "sectionName": "grpc"}]}},
    "gateway-tls": {"gateway": {"enabled": True, "tlsPassthrough": True, "hostnames": ["hiif.example.org"],
                                "parentRefs": [{"name": "public"}]}, "tls": {"secretName": "certificate"}},
    "gateway-tls-backend": {"gateway": {"enabled": True, "backendTLSPolicy": True, "hostnames": ["hiif.example.org"],
                                        "parentRefs": [{"name": "public"}]}, "tls": {"secretName": "certificate"}},
    "http": {"http": {"port": 8502}},
    "everything": {"gpu": {"enabled": True}, "tls": {"secretName": "c"}, "auth": {"secretName": "t"},
                   "autoscaling": {"mode": "hpa"}, "monitoring": {"serviceMonitor": True},
                   "models": {"existingClaim": "weights"}, "batch": {"enabled": True, "claim": "c"}},
}
# Kubernetes that a row needs, where it is above the oldest that is tested.
NEEDS = {"dra": "1.34"}


def render(values, name="demo", namespace="images", chart=CHART):
    """The manifests, by kind."""
    return copy.deepcopy(_render(json.dumps(values), name, namespace, chart))


@functools.lru_cache(maxsize=None)
def _render(values, name, namespace, folder):
    values = json.loads(values)
    with helm_python.Chart.load(folder) as chart:
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


def pods(manifests):
    """The pod specifications."""
    return [o["spec"]["template"]["spec"] for k in ("Deployment", "Job") for o in manifests.get(k, [])]


def one(values, kind):
    """The first manifest of a kind."""
    return render(values)[kind][0]
