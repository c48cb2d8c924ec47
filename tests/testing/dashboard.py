"""The Grafana dashboard's queries, as Grafana would send them."""

import json
import re

from processes import ROOT

DASHBOARD = json.loads((ROOT / "deploy/grafana/dashboards/hiif.json").read_text())


def panels():
    """Those with data: a row has none."""
    return [p for p in DASHBOARD["panels"] if p["type"] != "row"]


def variables():
    """{name: query} of the variables that Prometheus answers."""
    return {v["name"]: v["query"]["query"] for v in DASHBOARD["templating"]["list"] if v["type"] == "query"}


def expand(expression, window, **chosen):
    """With a window for $__rate_interval, and what was chosen of the variables; the others stand at All."""
    values = {**{name: ".*" for name in variables()}, **chosen, "__rate_interval": window}
    return re.sub(r"\$(\w+)", lambda m: values[m[1]], re.sub(r"\[\d+m\]", f"[{window}]", expression))
