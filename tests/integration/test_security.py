"""TLS, client certificates, and bearer tokens with scopes."""

import json
import re
import shutil
import subprocess
import time

import grpc
import pytest

from http_front import wait_for
from processes import assemble, hiif
from test_upscale import request


def openssl(folder, *arguments):
    subprocess.run(["openssl", *map(str, arguments)], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """A CA, a server certificate for localhost, and a client's."""
    folder = tmp_path_factory.mktemp("tls")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(folder, "req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
            "-days", "2", "-addext", "keyUsage=critical,keyCertSign,cRLSign")  # Python 3.13 wants it said
    (folder / "san").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nauthorityKeyIdentifier=keyid\n")
    for name in ("server", "client"):
        openssl(folder, "req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj",
                f"/CN={name}")
        openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-days", "2", "-extfile", "san", "-out", f"{name}.pem")
    return folder


def connect(server, certificates, client=False, token=None):
    from hiif.v1 import super_resolution_pb2_grpc as rpc
    credentials = grpc.ssl_channel_credentials(
        (certificates / "ca.pem").read_bytes(),
        (certificates / "client.key").read_bytes() if client else None,
        (certificates / "client.pem").read_bytes() if client else None)
    if token:
        credentials = grpc.composite_channel_credentials(credentials,
                                                         grpc.access_token_call_credentials(token))
    return rpc.SuperResolutionServiceStub(
        grpc.secure_channel(f"localhost:{server.port}", credentials))


def test_tls_and_mutual_tls(start_server, certificates, photo):
    flags = ["--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key"]
    running = start_server(*flags)
    assemble(connect(running, certificates).Upscale(request(photo, 1.5, 1.5), timeout=60))
    with pytest.raises(grpc.RpcError):
        list(running.stub().Upscale(request(photo), timeout=5))  # clear text

    mutual = start_server(*flags, "--tls-client-ca", certificates / "ca.pem")
    assemble(connect(mutual, certificates, client=True).Upscale(request(photo, 1.5, 1.5), timeout=60))
    with pytest.raises(grpc.RpcError):
        list(connect(mutual, certificates).Upscale(request(photo), timeout=5))
    # gRPC tells of failed handshakes: in the log's format, as everything else.
    for server in (running, mutual):
        assert all(json.loads(line)["level"] for line in server.log.read_text().splitlines())


def test_broken_tls_files_are_not_taken(start_server, certificates, tmp_path):
    """A file that is half written, a key that is not the certificate's: the old ones serve on. A good pair is taken."""
    from hiif.v1 import super_resolution_pb2 as pb
    files = {}
    for name in ("server.pem", "server.key"):
        files[name] = tmp_path / name
        shutil.copy(certificates / name, files[name])
    running = start_server("--tls-certificate", files["server.pem"], "--tls-key", files["server.key"],
                           "--tls-reload-interval", "1s")

    def served():
        """The subject of the certificate of a new connection, on which a call succeeds."""
        connect(running, certificates).ListModels(pb.ListModelsRequest(), timeout=10)
        shown = subprocess.run(["openssl", "s_client", "-connect", f"localhost:{running.port}", "-alpn", "h2"],
                               input=b"", capture_output=True, timeout=10, check=False).stdout
        return re.search(rb"^ ?0 s:CN ?= ?(\w+)", shown, re.MULTILINE)[1].decode()

    assert served() == "server"
    for name, content in (("server.key", b"half a k"), ("server.key", (certificates / "client.key").read_bytes()),
                          ("server.pem", (certificates / "server.pem").read_bytes()[:200])):
        shutil.copy(certificates / "server.key", files["server.key"])
        files[name].write_bytes(content)
        refused = running.log.read_text().count("the TLS files were not taken")
        wait_for(lambda: running.log.read_text().count("the TLS files were not taken") > refused)
        time.sleep(2)  # gRPC looks once a second at what it is given
        assert served() == "server", name
    for name in files:
        shutil.copy(certificates / name.replace("server", "client"), files[name])
    wait_for(lambda: served() == "client")


def test_the_command_line_says_why_it_does_not_connect(start_server, certificates):
    port = start_server("--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key").port
    ours = ("--tls-ca", certificates / "ca.pem")
    hiif("health", "--server", f"127.0.0.1:{port}", *ours)
    for address, flags, why in (
            (f"127.0.0.1:{port}", ("--tls-ca", certificates / "client.pem"), "certificate verify failed"),
            (f"127.0.0.1:{port}", (*ours, "--tls-server-name", "elsewhere.example"), "elsewhere.example"),
            (f"127.0.0.1:{port}", (), "a server with TLS needs https:// before its address"),
            (f"127.0.0.1:9,127.0.0.1:{port}", (), f"; 127.0.0.1:{port}: "),
            ("127.0.0.1:9", (), "Connection refused"),
            ("host.invalid:7443", (), "DNS resolution failed")):
        told = hiif("health", "--server", address, *flags, "--connect-timeout", 2, check=3).stderr
        beginning = f"no server answers at {address.replace(',', ', ')} (waited 2s); "
        assert beginning in told and why in told.partition(beginning)[2], told
        assert ("https://" in told) == (not flags and str(port) in address), told


def test_tokens_and_scopes(start_server, photo, tmp_path):
    from hiif.v1 import super_resolution_pb2 as pb, super_resolution_pb2_grpc as rpc
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [
        {"name": "archive", "token": "s3cret", "scopes": ["upscale"]},
        {"name": "ops", "token": "0ps", "scopes": ["models"]}]}))
    running = start_server("--token-file", tokens, "--enable-model-control",
                           "--tls-reload-interval", "1s")
    stub = running.stub()
    control = rpc.ModelControlServiceStub(running.channel())

    def code(call, token):
        metadata = [("authorization", "Bearer " + token)] if token else []
        try:
            result = call(metadata)
            return "OK" if result is not None else "?"
        except grpc.RpcError as error:
            return error.code().name

    def upscale(metadata):
        return list(stub.Upscale(request(photo, 1.5, 1.5), timeout=60, metadata=metadata))

    def load(metadata):
        return control.LoadModel(pb.LoadModelRequest(name="edsr-baseline-hiif"), timeout=60,
                                 metadata=metadata)

    assert code(upscale, "s3cret") == "OK"
    assert code(upscale, None) == "UNAUTHENTICATED"
    assert code(upscale, "guess") == "UNAUTHENTICATED"
    assert code(upscale, "0ps") == "PERMISSION_DENIED"
    assert code(load, "s3cret") == "PERMISSION_DENIED"
    assert code(load, "0ps") == "OK"
    # Health needs none.
    from grpc_health.v1 import health_pb2, health_pb2_grpc
    assert health_pb2_grpc.HealthStub(running.channel()).Check(
        health_pb2.HealthCheckRequest(), timeout=10).status == 1
    # A broken file leaves the old tokens; a good one takes over.
    import time
    tokens.write_text("{")
    time.sleep(1.5)
    assert code(upscale, "s3cret") == "OK"
    tokens.write_text(json.dumps({"tokens": [{"name": "new", "token": "n3w"}]}))
    for _ in range(50):
        if code(upscale, "n3w") == "OK":
            break
        time.sleep(0.1)
    assert code(upscale, "s3cret") == "UNAUTHENTICATED"
