"""Reference pages made from their sources: the proto's comments, the programs' help, the chart's schema."""

import pathlib
import subprocess
import sys
import tempfile

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

import chart_pages

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROTO = "hiif/v1/super_resolution.proto"
TYPES = {v: k[5:].lower() for k, v in descriptor_pb2.FieldDescriptorProto.Type.items()}


def one_line(comment):
    return " ".join(comment.split())


def api():
    """docs/api.md."""
    with tempfile.NamedTemporaryFile() as out:
        assert protoc.main(["protoc", f"-I{ROOT / 'proto'}", "--include_source_info",
                            f"--descriptor_set_out={out.name}", PROTO]) == 0
        file = descriptor_pb2.FileDescriptorSet.FromString(pathlib.Path(out.name).read_bytes()).file[0]
    comments = {tuple(l.path): l.leading_comments.strip() for l in file.source_code_info.location}
    detached = next(l for l in file.source_code_info.location if list(l.path) == [12])
    lines = ["# API", "", f"Made by `scripts/generate-docs` from [proto/{PROTO}](../proto/{PROTO}).", "",
             *(detached.leading_comments or "").strip().splitlines()]

    maps = {f".{file.package}.{m.name}.{n.name}": n for m in file.message_type for n in m.nested_type
            if n.options.map_entry}

    def type_of(field):
        if field.type_name in maps:
            return "map of {} to {}".format(*(type_of(f) for f in maps[field.type_name].field))
        name = field.type_name.rsplit(".", 1)[-1] if field.type_name else TYPES[field.type]
        text = f"[{name}](#{name.lower()})" if field.type_name.startswith(".hiif") else name
        return ("repeated " if field.label == field.LABEL_REPEATED else "") + text

    for s, service in enumerate(file.service):
        lines += ["", f"## {service.name}", "", one_line(comments[(6, s)]), "",
                  "| method | request | response | |", "| --- | --- | --- | --- |"]
        for m, method in enumerate(service.method):
            stream_in = "stream of " if method.client_streaming else ""
            stream_out = "stream of " if method.server_streaming else ""
            request, response = (t.rsplit(".", 1)[-1] for t in (method.input_type, method.output_type))
            lines.append(f"| `{method.name}` | {stream_in}[{request}](#{request.lower()}) | {stream_out}"
                         f"[{response}](#{response.lower()}) | {one_line(comments[(6, s, 2, m)])} |")
    for m, message in enumerate(file.message_type):
        lines += ["", f"### {message.name}", "", one_line(comments[(4, m)])]
        if message.field:
            lines += ["", "| field | type | |", "| --- | --- | --- |"]
        for f, field in enumerate(message.field):
            one = " *(one of)*" if field.HasField("oneof_index") and not field.proto3_optional else ""
            lines.append(f"| `{field.name}` | {type_of(field)}{one} | {one_line(comments[(4, m, 2, f)])} |")
    for e, enum in enumerate(file.enum_type):
        lines += ["", f"### {enum.name}", "", one_line(comments[(5, e)]), "", "| value | |", "| --- | --- |"]
        for v, value in enumerate(enum.value):
            lines.append(f"| `{value.name}` = {value.number} | {one_line(comments[(5, e, 2, v)])} |")
    return "\n".join(lines) + "\n"


def help_of(program, *arguments):
    return subprocess.run([program, *arguments, "--help"], check=True, capture_output=True,
                          text=True).stdout.rstrip()


def configuration(folder):
    """docs/configuration.md."""
    return f"""# Configuration of hiif-server

Made by `scripts/generate-docs` from `hiif-server --help`; the source of every setting is
[proto/hiif/config/v1/config.proto](../proto/hiif/config/v1/config.proto).

Each setting is a flag (`--tile-size 128`), an environment variable (`HIIF_TILE_SIZE=128`) and a member of a JSON
file (`--config FILE`, `{{"tile_size": 128}}`). A flag wins over the environment, the environment over the file, the
file over the default. `hiif-server --print-config` prints all of them as such a file, the way they are in force.

```
{help_of(folder / "hiif-server")}
```

Exit codes: 0 asked to stop and every accepted call was finished; 64 a wrong setting; 66 the model directory;
69 an address cannot be listened on; 70 the device is lost; 75 calls were ended after the grace; 78 TLS or token files.
"""


def cli(folder):
    """docs/cli.md."""
    program = folder / "hiif"
    pages = "\n\n".join(f"## hiif {name}\n\n```\n{help_of(program, name)}\n```"
                        for name in ("upscale", "query", "compare", "bench", "models", "health",
                                     "completion", "man"))
    return f"""# hiif, the command line

Made by `scripts/generate-docs` from `hiif --help`. `hiif man | man -l -` shows the same as a manual page.

```
{help_of(program)}
```

Shell completion: `source <(hiif completion bash)`; for zsh `hiif completion zsh > ~/.zfunc/_hiif`; for fish
`hiif completion fish > ~/.config/fish/completions/hiif.fish`.

Exit codes: 0 all well, 1 some failed (each with its reason), 2 usage (of one picture or video: also what is wrong with it), 3 no server, or none any
more, 129, 130 and 143 interrupted (SIGHUP, SIGINT, SIGTERM).

Without `--server` a private server runs: the program that `HIIF_SERVER_BINARY` names, else `hiif-server` beside `hiif` or in PATH, with the models of
`--model-dir`, else of `HIIF_MODEL_DIR`, else those installed with it; at most 256 megapixels in and 2,000 out. Other variables `HIIF_...`, those of
instruction sets and GPUs among them, do not reach it.

{pages}
"""


def main():
    folder, check = pathlib.Path(sys.argv[1]), "--check" in sys.argv[2:]
    docs = ROOT / "docs"
    made = {docs / "api.md": api(), docs / "configuration.md": configuration(folder), docs / "cli.md": cli(folder),
            **chart_pages.pages()}
    stale = chart_pages.write(made, check)
    if check and stale:
        sys.exit(f"out of date: {', '.join(stale)}; scripts/generate-docs writes them")


main()
