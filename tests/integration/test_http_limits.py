"""The HTTP front under clients that are slow, gone, many, or lie; with tokens, TLS and at its end."""

import contextlib
import http.client
import json
import pathlib
import signal
import socket
import ssl
import threading
import time

import pytest
import requests

from http_front import call, curl, png, problem, raw, upscale, wait_for
from test_connections import PREFACE
from test_metrics import scrape
from test_security import certificates  # noqa: F401  (a fixture)

LISTEN = ("--http-listen", "127.0.0.1:0", "--default-model", "edsr-baseline-hiif")


def log_of(server, *words):
    return [line for line in server.log.read_text().splitlines() if all(w in line for w in words)]


def big(photo):
    """A request of some seconds."""
    return photo.read_bytes(), "scale=28&format=tiles&sample_type=f32"


@pytest.fixture(scope="module")
def front(tmp_path_factory, two_models):
    from processes import run_server
    with run_server(tmp_path_factory.mktemp("limits"), *LISTEN, "--write-timeout", "2s",
                    "--max-upload-bytes", "2MiB", "--http-max-connections", "200",
                    "--handshake-timeout", "2s", "--read-timeout", "3s", model_dir=two_models) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-4000:]


def test_too_large_is_said_before_and_after_it_is_sent(front):
    body = b"\0" * (3 << 20)
    status, document = problem(upscale(front.http, "scale=2", body))
    assert status == 413 and document["field"] == "body" and "--max-upload-bytes" in document["detail"]
    # Without a length, in chunks.
    chunks = iter([b"\0" * 65536] * 48)
    status, document = problem(call(front.http, "POST", "/v1/upscale?scale=2", chunks))
    assert status == 413 and document["code"] == "INVALID_ARGUMENT"
    # Who asks first is told no, and sends nothing.
    answer = raw(front.http, b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
                 b"Content-Length: 3000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413") and b"100 Continue" not in answer


def test_what_never_fits_is_not_asked_for_again(start_server, two_models):
    """More than all uploads may hold together: told by the length, and without one when it is too much."""
    server = start_server(*LISTEN, "--memory-bytes", "256MiB", "--max-upload-bytes", "1GiB", model_dir=two_models)
    answer = raw(server.http, b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 70000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413") and b"--memory-bytes" in answer and b"Retry-After" not in answer
    assert b"REQUEST_TOO_LARGE" in answer
    chunks = iter([bytes(1 << 20)] * 70)
    status, document = problem(call(server.http, "POST", "/v1/upscale?scale=2", chunks))
    assert (status, document["reason"]) == (413, "REQUEST_TOO_LARGE") and "retry_after_seconds" not in document


@pytest.mark.parametrize("head,code", [
    (b"GET / HTTP/1.1\r\n\r\n", b"400"),                                   # no Host
    (b"nonsense\r\n\r\n", b"400"),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 64, b"400"),      # TLS to a clear port
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 5000 + b"\r\n", b"431"),
    (b"GET /" + b"a" * 40000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n", b"400"),                       # request smuggling
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
     b"400"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", b"501"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n", b"400"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n",
     b"400"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
    (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1;"
     + b"x" * 70000, b"400"),
], ids=range(12))
def test_what_is_not_http(front, head, code):
    answer = raw(front.http, head)
    assert answer.startswith(b"HTTP/1.1 " + code), answer[:200]
    assert b"application/problem+json" in answer
    assert upscale(front.http, "scale=2")[0] == 200


def smuggled(*fields, version=b"1.1", body=b""):
    return b"\r\n".join([b"POST /v1/upscale?scale=2 HTTP/" + version, *fields, b"", body])


@pytest.mark.parametrize("request_", [
    smuggled(b"Host: x", b"Content-Length: 3", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", b"Content-Length: 3", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding : chunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b" Transfer-Encoding: chunked", b"Content-Length: 5", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Content-Length: +3", body=b"abc"),
    smuggled(b"Host: x", b"Content-Length: 3, 4", body=b"abc"),
    smuggled(b"Host: x", b"Content-Length: 0x3", body=b"abc"),
    smuggled(b"Host: x", b"Host: y", b"Content-Length: 3", body=b"abc"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", version=b"1.0", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", body=b"-1\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", body=b"ffffffffffffffffff\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", body=b"1\r\nabcd\r\n0\r\n\r\n"),
    smuggled(b"Host: x", b"A: b\nContent-Length: 3", body=b"abc"),
    smuggled(b"Host: x", b"A: b\rContent-Length: 3", body=b"abc"),
    smuggled(b"Host: x", b"Transfer-Encoding:", b"Content-Length: 3", body=b"abc"),
    smuggled(b"Host: x", b"Content-Length: 3", b"Transfer-Encoding:", body=b"abc"),
    smuggled(b"Host: x", b"Transfer-Encoding:", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: ", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n"),
    smuggled(b"Host: x", b"Transfer-Encoding: chunked", b"Transfer-Encoding:", body=b"0\r\n\r\n"),
], ids=range(22))
def test_no_request_hides_behind_another(front, request_):
    """What proxies and servers read differently is refused, and the connection with it."""
    hidden = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(front.http, request_ + hidden)
    assert answer.count(b"HTTP/1.1 ") == 1 and answer[9:12] in (b"400", b"501"), answer[:300]


@pytest.mark.parametrize("tail", [b"1;" + b"x" * 200_000, b"0\r\n" + b"Trailer: x\r\n" * 50_000],
                         ids=["chunk extension", "trailers"])
def test_what_is_around_chunks_is_bounded(front, tail):
    answer = raw(front.http, smuggled(b"Host: x", b"Transfer-Encoding: chunked", body=tail))
    assert answer.startswith(b"HTTP/1.1 400"), answer[:200]


def test_pipelined_requests_are_not_piled_up(front, photo):
    """While a request runs, what comes behind it stays in the kernel."""
    body, query = big(photo)
    with socket.create_connection(("127.0.0.1", front.http), timeout=2) as connection:
        connection.sendall((f"POST /v1/upscale?{query} HTTP/1.1\r\nHost: x\r\n"
                            f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        sent, flood = 0, b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" * 5000
        with pytest.raises((TimeoutError, ConnectionError)):
            while sent < 64 << 20:
                sent += connection.send(flood)
    assert upscale(front.http, "scale=2")[0] == 200


def test_addresses_share_their_limit_with_grpc(start_server, two_models):
    """Connections of 127.0.0.2 are those of another machine."""
    server = start_server(*LISTEN, "--max-connections-per-address", "4", model_dir=two_models)

    def connect(port):
        connection = socket.create_connection(("127.0.0.1", port), timeout=3, source_address=("127.0.0.2", 0))
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n" if port == server.http else b"")
        return connection

    def end(connection):
        """Until the server has closed it too."""
        connection.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
        connection.close()
        time.sleep(0.1)  # it says so a moment before it closes

    def refused(port):
        try:
            with connect(port) as connection:
                return connection.recv(1) == b""
        except TimeoutError:  # gRPC waits for the client
            return False
        except ConnectionError:
            return True
    held = [connect(port) for port in (server.http, server.http, server.port, server.port)]
    for connection in held[:2]:
        assert connection.recv(12) == b"HTTP/1.1 200"
    for connection in held[2:]:
        connection.sendall(PREFACE)
        assert connection.recv(1) == b"\0"
    series = 'hiif_connections_refused_total{reason="ADDRESS"}'
    before = scrape(server)[series]
    assert refused(server.http) and refused(server.port)
    assert scrape(server)[series] == before + 2
    for connection in held:
        end(connection)
    # Clients that do not keep their connections are not counted twice.
    for _ in range(40):
        connection = connect(server.http)
        assert connection.recv(12) == b"HTTP/1.1 200"
        end(connection)


def test_slow_heads_and_silence_are_ended(front):
    start = time.monotonic()
    assert raw(front.http, b"") == b""  # nothing said
    assert raw(front.http, b"GET / HT").startswith(b"HTTP/1.1 408")
    assert time.monotonic() - start < 8


def test_slow_bodies_hold_no_thread_and_end(front):
    """150 bodies that stop: others are answered meanwhile, and they are refused after --read-timeout."""
    sockets = [socket.create_connection(("127.0.0.1", front.http)) for _ in range(150)]
    tasks = pathlib.Path(f"/proc/{front.process.pid}/task")
    before = len(list(tasks.iterdir()))
    for connection in sockets:
        connection.sendall(b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 90000\r\n\r\nabc")
    start = time.monotonic()
    assert upscale(front.http, "scale=2")[0] == 200
    assert time.monotonic() - start < 5
    assert len(list(tasks.iterdir())) < before + 20
    sockets[0].settimeout(25)
    assert sockets[0].recv(100).startswith(b"HTTP/1.1 408")
    for connection in sockets:
        connection.close()
    assert log_of(front, "the body came too slowly", "DEADLINE_EXCEEDED")


def under_way(connection):
    """Whether bytes of it wait on either side: those that a client has sent, the server may have yet to read."""
    ends = {connection.getsockname()[1], connection.getpeername()[1]}
    lines = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [line[4] for line in lines if {int(end.split(":")[1], 16) for end in line[1:3]} == ends]
    assert len(queues) == 2
    return set(queues) != {"00000000:00000000"}


@pytest.mark.parametrize("length", [b"Content-Length: 66000000", b"Transfer-Encoding: chunked"], ids=["whole", "chunks"])
def test_who_holds_the_room_for_uploads_does_not_keep_it_by_dripping(start_server, two_models, length):
    """Of 64 MiB that all uploads may hold."""
    server = start_server(*LISTEN, "--memory-bytes", "256MiB", "--read-timeout", "2s", model_dir=two_models)
    noise = bytes(3 << 20)

    def other():
        status, document = problem(upscale(server.http, "scale=2", noise))
        return status, document.get("reason")

    assert other()[0] == 400, "no picture"
    chunked = b"chunked" in length
    with socket.create_connection(("127.0.0.1", server.http)) as connection:
        connection.sendall(b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\n" + length + b"\r\n\r\n")
        connection.sendall(b"%x\r\n" % (63 << 20) if chunked else b"")
        connection.sendall(bytes(62 << 20))
        wait_for(lambda: not under_way(connection))
        assert other() == (429, "MEMORY")
        connection.settimeout(0.5)
        start, answer = time.monotonic(), b""
        while not answer:
            assert time.monotonic() - start < 12, "it goes on for ever"
            connection.sendall(b"x")
            with contextlib.suppress(TimeoutError):
                answer = connection.recv(100)
        assert answer.startswith(b"HTTP/1.1 408")
        assert other()[0] == 400, "the room is free again"


def test_thousands_of_connections_make_room(front):
    idle = []
    try:
        for _ in range(600):
            idle.append(socket.create_connection(("127.0.0.1", front.http), timeout=5))
        for _ in range(3):
            assert upscale(front.http, "scale=2", timeout=20)[0] == 200
        fds = len(list(pathlib.Path(f"/proc/{front.process.pid}/fd").iterdir()))
        assert fds < 300
    finally:
        for connection in idle:
            connection.close()


def test_a_chunk_flood_is_an_upload_like_any(front):
    """A picture a byte a chunk."""
    image = png((40, 40))
    body = b"".join(b"1\r\n%c\r\n" % byte for byte in image) + b"0\r\n\r\n"
    answer = raw(front.http, b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                 b"Transfer-Encoding: chunked\r\n\r\n" + body)
    assert answer.startswith(b"HTTP/1.1 200")


def test_two_requests_in_one_packet(front):
    one = (b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(png())) + png()
    last = b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = raw(front.http, one + last)
    assert answer.count(b"HTTP/1.1 200 OK") == 2 and answer.rstrip().endswith(b"}")


def test_a_client_that_goes_cancels_the_work(front, photo):
    body, query = big(photo)
    connection = http.client.HTTPConnection("127.0.0.1", front.http, timeout=60)
    connection.request("POST", "/v1/upscale?" + query, body, {"X-Request-Id": "goes-away"})
    response = connection.getresponse()
    response.read(1000)
    connection.close()
    response.close()
    wait_for(lambda: log_of(front, "goes-away", '"CANCELLED"'))
    text = requests.get(front.management + "/metrics", timeout=10).text
    assert any('front="http"' in line and 'code="CANCELLED"' in line and not line.endswith(" 0")
               for line in text.splitlines() if line.startswith("hiif_requests_total"))
    assert "hiif_queue_requests 0" in text


def test_a_slow_reader_is_cut_off_and_others_are_not_touched(front, photo):
    body, query = big(photo)
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.connect(("127.0.0.1", front.http))
        slow.sendall((f"POST /v1/upscale?{query} HTTP/1.1\r\nHost: x\r\nX-Request-Id: reads-nothing\r\n"
                      f"Content-Length: {len(body)}\r\n\r\n").encode() + body)
        start = time.monotonic()
        while not log_of(front, "reads-nothing") and time.monotonic() - start < 40:
            assert upscale(front.http, "scale=1.5", timeout=30)[0] == 200
            time.sleep(0.2)
    assert log_of(front, "reads-nothing", "DEADLINE_EXCEEDED", "nothing was read for 2s")


def test_a_reader_that_is_slow_but_steady_gets_everything(start_server, photo):
    """400 KB a second: a piece of a MiB takes longer than --write-timeout, and bytes flow all the time."""
    body = photo.read_bytes()
    front = start_server("--http-listen", "127.0.0.1:0", "--write-timeout", "2s")
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.connect(("127.0.0.1", front.http))
        slow.sendall((f"POST /v1/upscale?model=bicubic&scale=30&sample_type=u16&format=tiff HTTP/1.1\r\nHost: x\r\nX-Request-Id: slow-but-steady\r\n"
                      f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
        got, start = 0, time.monotonic()
        while piece := slow.recv(30_000):
            got += len(piece)
            time.sleep(max(0, start + got / 400_000 - time.monotonic()))
    assert got > 10_000_000, front.log.read_text()[-2000:]
    wait_for(lambda: log_of(front, "slow-but-steady"))
    assert log_of(front, "slow-but-steady", '"OK"'), log_of(front, "slow-but-steady")


def test_a_deadline_is_kept(front, photo):
    start = time.monotonic()
    try:
        # Known to be out of reach, or passed before the answer began.
        status, document = problem(upscale(front.http, "scale=28&timeout=0.3", photo.read_bytes(),
                                           {"X-Request-Id": "in-a-hurry"}))
        assert (status, document["code"]) in [(429, "RESOURCE_EXHAUSTED"), (504, "DEADLINE_EXCEEDED")]
    except http.client.IncompleteRead:  # or behind its beginning
        wait_for(lambda: log_of(front, "in-a-hurry", "DEADLINE_EXCEEDED"))
    assert time.monotonic() - start < 10


def test_overload_says_when_to_come_back(start_server, photo, two_models):
    server = start_server(*LISTEN, "--max-rpcs", "2", model_dir=two_models)
    body, query = big(photo)
    running = [http.client.HTTPConnection("127.0.0.1", server.http, timeout=60) for _ in range(2)]
    for connection in running:
        connection.request("POST", "/v1/upscale?" + query, body)
    refusals = []
    for _ in range(100):
        status, headers, answer = upscale(server.http, "scale=2")
        if status == 429:
            refusals.append((headers, json.loads(answer)))
            break
        time.sleep(0.02)
    headers, document = refusals[0]
    assert document["code"] == "RESOURCE_EXHAUSTED" and document["reason"] == "QUEUE_FULL"
    assert int(headers["Retry-After"]) >= document["retry_after_seconds"] > 0
    for connection in running:
        connection.close()


def test_tokens(start_server, photo, tmp_path, two_models):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [
        {"name": "archive", "token": "s3cret"}, {"name": "ops", "token": "0ps", "scopes": ["models"]}]}))
    server = start_server(*LISTEN, "--token-file", tokens, model_dir=two_models)

    def get(token, path="/v1/upscale?scale=2", method="POST"):
        headers = {"Authorization": "Bearer " + token} if token else {}
        return call(server.http, method, path, photo.read_bytes() if method == "POST" else None, headers)

    assert get("s3cret")[0] == 200
    status, headers, _ = get(None)
    assert status == 401 and headers["WWW-Authenticate"] == "Bearer"
    assert problem(get("guess"))[1]["reason"] == "AUTHENTICATION"
    assert problem(get("0ps"))[0] == 403
    assert problem(get(None, "/v1/models", "GET"))[0] == 401
    assert get("0ps", "/v1/models", "GET")[0] == 200
    assert get(None, "/openapi.json", "GET")[0] == 200
    # Refused before the body: nobody uploads a gigabyte to be told no.
    answer = raw(server.http, b"POST /v1/upscale?scale=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 900000000\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 401")
    wait_for(lambda: log_of(server, '"caller":"archive"', '"front":"http"'))


def test_tls_and_mutual_tls(start_server, certificates, photo, two_models):  # noqa: F811
    flags = [*LISTEN, "--tls-certificate", certificates / "server.pem", "--tls-key",
             certificates / "server.key"]
    server = start_server(*flags, model_dir=two_models)
    url = f"https://localhost:{server.http}/v1/upscale?scale=2"
    out = curl("--fail", "--cacert", certificates / "ca.pem", "--data-binary", f"@{photo}", url).stdout
    assert out.startswith(b"\x89PNG")
    mutual = start_server(*flags, "--tls-client-ca", certificates / "ca.pem", model_dir=two_models)
    url = f"https://localhost:{mutual.http}/v1/upscale?scale=2"
    curl("--fail", "--cacert", certificates / "ca.pem", "--cert", certificates / "client.pem", "--key",
         certificates / "client.key", "--data-binary", f"@{photo}", url)
    wait_for(lambda: log_of(mutual, '"caller":"localhost"'))  # the first name in the client's certificate
    refused = curl("--cacert", certificates / "ca.pem", "--data-binary", f"@{photo}", url, check=None)
    assert refused.returncode != 0
    # Without TLS: told in clear text.
    clear = json.loads(curl("--data-binary", f"@{photo}", url.replace("https", "http").replace(f"{mutual.http}", f"{server.http}")).stdout)
    assert clear["status"] == 400 and "https://" in clear["detail"]
    # A handshake that does not come is not waited for.
    with socket.create_connection(("127.0.0.1", server.http)) as silent:
        silent.settimeout(20)
        assert silent.recv(1) == b""


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual tls"])
def test_a_client_that_resumes_its_session_is_served(start_server, certificates, two_models, version, mutual):  # noqa: F811
    flags = ["--tls-certificate", certificates / "server.pem", "--tls-key", certificates / "server.key"]
    if mutual:
        flags += ["--tls-client-ca", certificates / "ca.pem"]
    server = start_server(*LISTEN, *flags, model_dir=two_models)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(certificates / "ca.pem")
    context.minimum_version = context.maximum_version = version
    if mutual:
        context.load_cert_chain(certificates / "client.pem", certificates / "client.key")

    def get(session=None):
        with (socket.create_connection(("127.0.0.1", server.http), timeout=30) as clear,
              context.wrap_socket(clear, server_hostname="localhost", session=session) as connection):
            connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n")
            # With TLS 1.3 the session comes with the first bytes that are read.
            return connection.recv(12), connection.session, connection.session_reused

    answer, session, reused = get()
    assert answer == b"HTTP/1.1 200" and not reused
    answer, _, reused = get(session)
    assert answer == b"HTTP/1.1 200" and reused


def test_certificates_are_read_again(start_server, certificates, tmp_path):  # noqa: F811
    import shutil
    for name in ("server.pem", "server.key"):
        shutil.copy(certificates / name, tmp_path / name)
    server = start_server(*LISTEN, "--tls-certificate", tmp_path / "server.pem", "--tls-key",
                          tmp_path / "server.key", "--tls-reload-interval", "1s")

    def served():
        return ssl.get_server_certificate(("127.0.0.1", server.http))

    first = served()
    for kind in ("pem", "key"):
        shutil.copy(certificates / f"client.{kind}", tmp_path / f"server.{kind}")
    wait_for(lambda: served() != first)
    (tmp_path / "server.pem").write_text("broken")
    wait_for(lambda: log_of(server, "the TLS files were not taken"))
    assert served() != first


def test_ipv6(start_server, two_models):
    if not socket.has_ipv6:
        pytest.skip("no IPv6 here")
    try:
        server = start_server("--http-listen", "[::1]:0", model_dir=two_models)
    except AssertionError as error:
        pytest.skip(f"no IPv6 loopback here: {str(error)[-100:]}")
    with socket.create_connection(("::1", server.http), timeout=10) as connection:
        connection.sendall(b"GET /v1/models HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 200")


def test_a_drain_finishes_what_runs(start_server, photo, two_models):
    server = start_server(*LISTEN, model_dir=two_models)
    body = photo.read_bytes()
    idle = socket.create_connection(("127.0.0.1", server.http))
    result = []
    thread = threading.Thread(daemon=True, target=lambda: result.append(upscale(server.http, "scale=12", body)))
    thread.start()
    wait_for(lambda: "hiif_queue_requests 1" in requests.get(server.management + "/metrics", timeout=9).text)
    server.process.send_signal(signal.SIGTERM)
    thread.join()
    status, headers, answer = result[0]
    assert status == 200 and answer.startswith(b"\x89PNG") and len(answer) > 10000
    assert server.process.wait(30) == 0
    idle.close()


def test_a_drain_cuts_off_what_takes_too_long(start_server, photo, two_models):
    server = start_server(*LISTEN, "--shutdown-grace", "0s", model_dir=two_models)
    body, query = big(photo)
    connection = http.client.HTTPConnection("127.0.0.1", server.http, timeout=60)
    connection.request("POST", "/v1/upscale?" + query, body)
    response = connection.getresponse()
    assert response.status == 200
    server.process.send_signal(signal.SIGTERM)
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        response.read()
    assert server.process.wait(30) == 75


def test_settings_that_are_refused(start_server, two_models):
    for flags, words in [(["--http-listen", "0.0.0.0:0"], "--insecure-listen"),
                         (["--http-listen", "unix:/tmp/x"], "--http-listen"),
                         (["--http-listen", "127.0.0.1:0", "--http-max-connections", "0"],
                          "--http-max-connections")]:
        server = start_server(*flags, ready=False, model_dir=two_models)
        assert server.process.wait(30) == 64
        assert words in server.log.read_text()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = start_server("--http-listen", f"127.0.0.1:{taken.getsockname()[1]}", ready=False, model_dir=two_models)
        assert server.process.wait(60) == 69
        assert "--http-listen" in server.log.read_text()
