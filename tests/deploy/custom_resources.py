"""The parts of Prometheus' and KEDA's custom resources that the chart uses, as JSON schemas: their documented members
and no others, so that a misspelt one is found."""


def _object(required, **members):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": members}


_STRING = {"type": "string", "minLength": 1}
_STRINGS = {"type": "object", "additionalProperties": {"type": "string"}}
_DURATION = {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d|w|y))+$"}


def _resource(version, kind, spec):
    metadata = _object(["name"], name=_STRING, namespace=_STRING, labels=_STRINGS, annotations=_STRINGS)
    return _object(["apiVersion", "kind", "metadata", "spec"], apiVersion={"const": version}, kind={"const": kind},
                   metadata=metadata, spec=spec)


_RULE = _object(["expr"], expr=_STRING, labels=_STRINGS, annotations=_STRINGS, alert=_STRING, record=_STRING,
                **{"for": _DURATION})
_RULE["oneOf"] = [{"required": ["alert"]}, {"required": ["record"], "not": {"required": ["for"]}}]
_POLICY = _object(["type", "value", "periodSeconds"], type={"enum": ["Percent", "Pods"]},
                  value={"type": "integer", "minimum": 1},
                  periodSeconds={"type": "integer", "minimum": 1, "maximum": 1800})
_SCALING = _object([], stabilizationWindowSeconds={"type": "integer", "minimum": 0, "maximum": 3600},
                   selectPolicy={"enum": ["Max", "Min", "Disabled"]}, policies={"type": "array", "items": _POLICY})

SCHEMAS = {
    "ServiceMonitor": _resource("monitoring.coreos.com/v1", "ServiceMonitor", _object(
        ["selector", "endpoints"],
        selector=_object([], matchLabels=_STRINGS), jobLabel=_STRING,
        endpoints={"type": "array", "minItems": 1, "items": _object(
            ["port"], port=_STRING, path={"type": "string", "pattern": "^/"}, interval=_DURATION,
            scheme={"enum": ["http", "https"]})})),
    "PrometheusRule": _resource("monitoring.coreos.com/v1", "PrometheusRule", _object(
        ["groups"],
        groups={"type": "array", "minItems": 1, "items": _object(
            ["name", "rules"], name=_STRING, interval=_DURATION, rules={"type": "array", "items": _RULE})})),
    "ScaledObject": _resource("keda.sh/v1alpha1", "ScaledObject", _object(
        ["scaleTargetRef", "triggers"],
        scaleTargetRef=_object(["name"], name=_STRING, kind=_STRING, apiVersion=_STRING),
        minReplicaCount={"type": "integer", "minimum": 0}, maxReplicaCount={"type": "integer", "minimum": 1},
        advanced=_object([], horizontalPodAutoscalerConfig=_object(
            [], name=_STRING, behavior=_object([], scaleUp=_SCALING, scaleDown=_SCALING))),
        triggers={"type": "array", "minItems": 1, "items": _object(
            ["type", "metadata"], type={"const": "prometheus"}, metricType={"enum": ["AverageValue", "Value"]},
            # KEDA takes the metadata of a trigger as strings.
            metadata=_object(["serverAddress", "query", "threshold"],
                             serverAddress={"type": "string", "pattern": "^https?://"}, query=_STRING,
                             threshold={"type": "string", "pattern": "^[0-9.]+$"}))})),
}
