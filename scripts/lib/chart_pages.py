"""What the chart's folder has of other sources: its values as a table in README.md, rules and dashboard as files.

Run by scripts/generate-docs; alone, `chart_pages.py [--check]` needs no built program."""

import json
import pathlib
import re
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "hiif"
BEGIN, END = "<!-- values: made by scripts/generate-docs of values.schema.json and values.yaml -->\n", "<!-- end -->\n"


def kind(schema):
    """The type in a word, with what an enumeration allows."""
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    if "enum" in schema:
        return ", ".join(f"`{json.dumps(v)}`" for v in schema["enum"])
    types = schema.get("type", [s["type"] for s in schema.get("oneOf", [])])
    if types == "array":
        item = schema.get("items", {})
        return "list of " + (kind(item) if "enum" in item else item.get("type", "anything") + "s")
    return " or ".join(types) if isinstance(types, list) else types


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def rows(schema, values, path=()):
    """(name, type, default, description) of every value that can be set; an object with defaults of its members is not
    one, they are."""
    for name, part in schema["properties"].items():
        at = (*path, name)
        text = part.get("description", "")
        if not text:
            raise SystemExit(f"values.schema.json: {'.'.join(at)} has no description")
        if part.get("additionalProperties") is False and values.get(name) and name != "resources":
            yield ".".join(at), "", None, text
            yield from rows(part, values[name], at)
        else:
            yield ".".join(at), kind(part), json.dumps(values.get(name)), text


def table():
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    lines = ["| value | type | default | |", "| --- | --- | --- | --- |"]
    for name, type_, default, text in rows(schema, values):
        if name == "global":
            continue
        shown = "" if default is None else f"`{cell(default)}`"
        lines.append(f"| `{name}` | {cell(type_)} | {shown} | {cell(text)} |" if type_ else f"| **`{name}`** | | | {cell(text)} |")
    return "\n".join(lines) + "\n"


def pages():
    """{path: text}."""
    readme = CHART / "README.md"
    text, count = re.subn(re.escape(BEGIN) + ".*?" + re.escape(END), lambda _: BEGIN + "\n" + table() + "\n" + END,
                          readme.read_text(), flags=re.DOTALL)
    if count != 1:
        raise SystemExit(f"{readme}: the lines around the table of values are missing")
    return {readme: text,
            CHART / "files/rules.yaml": (ROOT / "deploy/prometheus/rules.yaml").read_text(),
            CHART / "files/dashboard.json": (ROOT / "deploy/grafana/dashboards/hiif.json").read_text()}


def write(made, check):
    """Writes what differs, or with `check` only says so; the names of what differed."""
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if not check:
        for path in stale:
            path.write_text(made[path])
    return [str(path.relative_to(ROOT)) for path in stale]


if __name__ == "__main__":
    differs = write(pages(), "--check" in sys.argv[1:])
    if differs and "--check" in sys.argv[1:]:
        sys.exit(f"out of date: {', '.join(differs)}; scripts/generate-docs writes them")
