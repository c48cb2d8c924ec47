"""Custom resources against their published definitions: those of the Prometheus operator and KEDA as the models that
are generated from them (PyPI has no such for the Gateway API: the documented members of what the chart uses)."""

import jsonschema
from cloudcoil.models.keda import v1alpha1 as keda
from cloudcoil.models.prometheus_operator import v1 as monitoring


def _object(required, **members):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": members}


_NAME = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", "maxLength": 253}
_HOSTNAMES = {"type": "array", "maxItems": 16, "items": {
    "type": "string", "maxLength": 253,
    "pattern": r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"}}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}


def _route(kind, versions):
    """GRPCRoute and TLSRoute have these members in common."""
    return _object(
        ["apiVersion", "kind", "metadata", "spec"],
        apiVersion={"enum": [f"gateway.networking.k8s.io/{v}" for v in versions]}, kind={"const": kind},
        metadata=_object(["name"], name=_NAME, labels=_STRINGS, annotations=_STRINGS),
        spec=_object(
            ["rules"], hostnames=_HOSTNAMES,
            parentRefs={"type": "array", "maxItems": 32, "items": _object(
                ["name"], name=_NAME, namespace=_NAME, sectionName=_NAME, port=_PORT, group={"type": "string"},
                kind={"type": "string"})},
            rules={"type": "array", "minItems": 1, "maxItems": 16, "items": _object(
                ["backendRefs"], backendRefs={"type": "array", "maxItems": 16, "items": _object(
                    ["name", "port"], name=_NAME, port=_PORT)})}))


_MODELS = {"ServiceMonitor": monitoring.ServiceMonitor, "PrometheusRule": monitoring.PrometheusRule,
           "ScaledObject": keda.ScaledObject}
_SCHEMAS = {"GRPCRoute": _route("GRPCRoute", ["v1"]), "TLSRoute": _route("TLSRoute", ["v1", "v1alpha3", "v1alpha2"])}
KINDS = {*_MODELS, *_SCHEMAS}


def validate(manifest):
    """ValueError or ValidationError says what is wrong; members that the definition does not know are wrong too."""
    if manifest["kind"] in _SCHEMAS:
        jsonschema.validate(manifest, _SCHEMAS[manifest["kind"]])
        return
    model = _MODELS[manifest["kind"]].model_validate(manifest)
    known = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
    assert _difference(manifest, known) == []


def _difference(given, known, path=""):
    """Members that were given and are not known."""
    if isinstance(given, dict):
        return [d for k, v in given.items() for d in (
            _difference(v, known[k], f"{path}.{k}") if isinstance(known, dict) and k in known else [f"{path}.{k}"])]
    if isinstance(given, list):
        return [d for i, v in enumerate(given) for d in _difference(v, known[i], f"{path}[{i}]")]
    return []
