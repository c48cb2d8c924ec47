"""The HTTP front with curl and http.client: pictures, errors, models; what gRPC gives, HTTP gives."""

import io
import json
import subprocess
import urllib.parse

import grpc
import numpy
import pytest
from PIL import Image

from http_front import call, curl, png, problem, raw, upscale, wait_for
from processes import assemble
from test_losses import with_chunks
from test_server_bad_input import field_of, refused, request as bad_request
from test_upscale import request


@pytest.fixture(scope="module")
def front(tmp_path_factory, two_models):
    from processes import run_server
    with run_server(tmp_path_factory.mktemp("http"), "--http-listen", "127.0.0.1:0", "--default-model",
                    "edsr-baseline-hiif", model_dir=two_models) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-4000:]


def pixels(data):
    return numpy.asarray(Image.open(io.BytesIO(data)))


def expected(front, photo, rx, ry, **parameters):
    return assemble(front.stub().Upscale(request(photo, rx, ry, **parameters), timeout=60))[1]


def test_curl_gives_what_grpc_gives(front, photo, tmp_path):
    out = tmp_path / "large.png"
    curl("--fail", "--data-binary", f"@{photo}", f"http://127.0.0.1:{front.http}/v1/upscale?scale=2.7",
         "-o", out, "-D", tmp_path / "head")
    numpy.testing.assert_array_equal(pixels(out.read_bytes()), expected(front, photo, 2.7, 2.7))
    head = (tmp_path / "head").read_text().lower()
    assert "content-type: image/png" in head and "transfer-encoding: chunked" in head
    assert "hiif-model: edsr-baseline-hiif" in head and "hiif-crc32c:" in head


def test_a_form_gives_the_same(front, photo, tmp_path):
    out = tmp_path / "form.png"
    curl("--fail", "-F", f"image=@{photo}", "-F", "scale_x=2", "-F", "scale_y=1.5",
         f"http://127.0.0.1:{front.http}/v1/upscale", "-o", out)
    numpy.testing.assert_array_equal(pixels(out.read_bytes()), expected(front, photo, 2, 1.5))


@pytest.mark.parametrize("query,accept,kind", [
    ("format=jpeg", None, "JPEG"), ("", "image/webp", "WEBP"), ("format=tiff", "image/png", "TIFF"),
    ("", "image/*;q=0.5, image/jpeg", "JPEG"), ("", "text/html, */*;q=0.1", "PNG"),
    ("format=jpg&quality=30", None, "JPEG")])
def test_formats(front, photo, query, accept, kind):
    status, headers, body = upscale(front.http, "scale=2&" + query, photo.read_bytes(),
                                    {"Accept": accept} if accept else {})
    assert status == 200
    image = Image.open(io.BytesIO(body))
    assert image.format == kind and headers["Content-Type"] == f"image/{kind.lower()}"
    assert headers["Hiif-Output-Size"] == "{}x{}".format(*image.size)


def test_tiles_are_the_messages_of_grpc(front, photo):
    from google.protobuf.internal.decoder import _DecodeVarint32
    from hiif.v1 import super_resolution_pb2 as pb
    status, headers, body = upscale(front.http, "scale=3.1&format=tiles&tile_size=64",
                                    photo.read_bytes())
    assert status == 200 and "hiif.v1.UpscaleResponse" in headers["Content-Type"]
    messages, at = [], 0
    while at < len(body):
        size, at = _DecodeVarint32(body, at)
        messages.append(pb.UpscaleResponse.FromString(body[at:at + size]))
        at += size
    numpy.testing.assert_array_equal(assemble(messages)[1],
                                     expected(front, photo, 3.1, 3.1, tile_size=64))
    # Resumed behind the first tile.
    token = messages[0].header.resume_token.hex()
    status, _, rest = upscale(front.http, "scale=3.1&format=tiles&tile_size=64&first_tile=1"
                              f"&resume_token={token}", photo.read_bytes())
    assert status == 200 and len(rest) < len(body)


def test_region_and_target_and_estimate(front, photo):
    whole = expected(front, photo, 2, 2)
    _, _, part = upscale(front.http, "scale=2&region=10,20,30,40", photo.read_bytes())
    numpy.testing.assert_array_equal(pixels(part), whole[20:60, 10:40])
    _, headers, _ = upscale(front.http, "width=96", photo.read_bytes())
    assert headers["Hiif-Output-Size"] == "96x80"
    status, headers, body = upscale(front.http, "scale=2&validate_only=true", photo.read_bytes())
    header = json.loads(body)
    assert status == 200 and headers["Content-Type"] == "application/json"
    assert header["output_width"] == 96 and header["estimated_seconds"] > 0


def test_losses_are_told_as_grpc_tells_them(front):
    from hiif.v1 import super_resolution_pb2 as pb
    picture = with_chunks(png(), (b"caBX", b"jumb"))

    def told(**parameters):
        asked = pb.UpscaleRequest(image=pb.ImageSource(encoded=picture), parameters=pb.UpscaleParameters(
            scale=pb.Scale(rx=2), encoded=pb.EncodedOutput(format=pb.FILE_FORMAT_PNG), **parameters))
        return list(list(front.stub().Upscale(asked, timeout=60))[-1].trailer.warnings)

    warnings = told()
    assert "caBX" in warnings[0]
    head = b"POST /v1/upscale?scale=2%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
    answer = raw(front.http, head % (b"", len(picture)) + picture)
    assert ("\r\nHiif-Warnings: " + "; ".join(warnings) + "\r\n").encode() in answer, answer[-500:]
    assert b"Hiif-Warnings: " not in raw(front.http, head % (b"", len(png())) + png())
    document = json.loads(upscale(front.http, "scale=2&validate_only=true", picture)[2])
    assert document["warnings"] == told(validate_only=True)


def test_the_connection_is_kept(front):
    import http.client
    connection = http.client.HTTPConnection("127.0.0.1", front.http, timeout=60)
    for size in (8, 9, 10):
        connection.request("POST", "/v1/upscale?scale=2", png((size, size)))
        response = connection.getresponse()
        assert response.status == 200 and pixels(response.read()).shape == (2 * size, 2 * size, 3)
        socket = connection.sock
    connection.request("GET", "/v1/models")
    assert json.loads(connection.getresponse().read())["models"]
    assert connection.sock is socket
    connection.close()


def test_old_clients_get_an_answer_that_ends_with_the_connection(front, photo, tmp_path):
    out = tmp_path / "old.png"
    curl("--http1.0", "--fail", "--data-binary", f"@{photo}",
         f"http://127.0.0.1:{front.http}/v1/upscale?scale=2", "-o", out)
    assert Image.open(out).size == (96, 80)


def test_models(front):
    status, headers, body = call(front.http, "GET", "/v1/models")
    models = {model["name"]: model for model in json.loads(body)["models"]}
    assert status == 200 and models["edsr-baseline-hiif"]["is_default"]
    status, _, body = call(front.http, "GET", "/v1/models/edsr-baseline-hiif")
    assert json.loads(body) == models["edsr-baseline-hiif"]
    status, document = problem(call(front.http, "GET", "/v1/models/no-such"))
    assert status == 404 and "edsr-baseline-hiif" in document["detail"]
    page = json.loads(call(front.http, "GET", "/v1/models?page_size=1")[2])
    assert len(page["models"]) == 1 and page["next_page_token"]
    assert problem(call(front.http, "GET", "/v1/models?page_size=-1"))[0] == 400
    status, headers, body = call(front.http, "HEAD", "/v1/models")
    assert status == 200 and int(headers["Content-Length"]) > 0 and body == b""


@pytest.mark.parametrize("body,parameters,query", [
    (b"", {}, "scale=2"),
    (b"hello, this is not an image\n" * 20, {}, "scale=2"),
    (png((200, 200))[:300], {}, "scale=2"),
    (None, dict(scale=(0.5, 2)), "scale_x=0.5&scale_y=2"),
    (None, dict(scale=(float("nan"), 2)), "scale_x=nan&scale_y=2"),
    (None, dict(tile_size=5), "scale=2&tile_size=5"),
    (None, dict(priority=11), "scale=2&priority=11"),
    (None, dict(frame=2), "scale=2&frame=2"),
    (None, dict(model="no-such"), "scale=2&model=no-such"),
    (None, dict(request_id="x" * 129), "scale=2&request_id=" + "x" * 129),
    (None, dict(resume_token=b"nonsense"), "scale=2&format=tiles&resume_token=" + b"nonsense".hex()),
], ids=lambda value: value[:40] if isinstance(value, str) else None)
def test_bad_input_gets_the_error_of_grpc(front, body, parameters, query):
    """Code, reason and field of both are the same (the file is image.encoded there, body here)."""
    with pytest.raises(grpc.RpcError) as caught:
        list(front.stub().Upscale(bad_request(body, **parameters), timeout=60))
    status, document = problem(upscale(front.http, query, body))
    assert document["code"] == caught.value.code().name
    assert status == {"INVALID_ARGUMENT": 400, "NOT_FOUND": 404, "FAILED_PRECONDITION": 412}[
        document["code"]]
    field = field_of(caught.value)
    assert document.get("field") == ("body" if field == "image.encoded" else field)
    assert upscale(front.http, "scale=2")[0] == 200


@pytest.mark.parametrize("query,field", [
    ("", "scale"), ("scale=2&width=40", "scale"), ("scale_x=2", "scale"), ("scale=two", "scale"),
    ("scale=2&scale=3", "scale"), ("scale=2&sclae=3", "sclae"), ("scale=2&format=bmp", "format"),
    ("scale=2&region=1,2,3", "region"), ("scale=2&clip=perhaps", "clip"),
    ("scale=2&timeout=-1", "timeout"), ("scale=2&sample_type=u9", "sample_type"),
    ("scale=2&resume_token=xyz", "resume_token"), ("scale=2&format=tiles&quality=3", "quality"),
    ("scale=%zz", "url"), ("scale=2&model=%00", "url")])
def test_parameters_are_named(front, query, field):
    status, document = problem(upscale(front.http, query))
    assert status == 400 and (document.get("field") == field or field in document["detail"])


def test_other_ways_to_be_wrong(front):
    port = front.http
    assert problem(call(port, "GET", "/v1/upscale"))[0] == 405
    assert problem(call(port, "GET", "/nothing"))[0] == 404
    assert call(port, "OPTIONS", "/v1/upscale")[:1] == (204,)
    assert problem(upscale(port, "scale=2", headers={"Content-Type": "application/json"}))[0] == 415
    assert problem(upscale(port, "scale=2", headers={"Content-Encoding": "gzip"}))[0] == 415
    assert problem(upscale(port, "scale=2", headers={"Accept": "text/html"}))[0] == 406
    assert problem(upscale(port, "scale=2", headers={"Sec-Fetch-Site": "cross-site"}))[0] == 403
    for origin in ("http://evil.example", "https://evil.example", f"http://127.0.0.1:{port + 1}", "null", "",
                   f"http://127.0.0.1:{port}.evil.example", "http://127.0.0.1"):
        assert problem(upscale(port, "scale=2", headers={"Origin": origin}))[0] == 403, origin
    for headers in ({"Origin": f"http://127.0.0.1:{port}"}, {"Origin": "http://A.example", "Host": "a.example:80"},
                    {"Origin": "https://a.example", "Host": "a.example"},
                    # A proxy asked for another host; the browser knows.
                    {"Origin": "https://a.example", "Host": "hiif:8502", "Sec-Fetch-Site": "same-origin"}):
        assert upscale(port, "scale=2", headers=headers)[0] == 200, headers
    form = {"Content-Type": "multipart/form-data; boundary=b"}
    for body in (b"", b"--b", b"--b\r\n\r\n--b--", b"--b--", b"--x\r\n", b"--b\r\nA: b\r\n\r\nx",
                 b'--b\r\nContent-Disposition: form-data; name="scale"\r\n\r\n2\r\n--b--'):
        assert problem(upscale(port, "", body, form))[0] == 400, body
    many = b"".join(b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n\r\n' for _ in range(70))
    assert "64 parts" in problem(upscale(port, "scale=2", many + b"--b--", form))[1]["detail"]
    assert problem(upscale(port, "scale=2", b"", {"Content-Type": "multipart/form-data"}))[0] == 400


@pytest.mark.parametrize("status,words,head,body", [
    (405, "--data-binary", b"PUT /v1/upscale?scale=2 HTTP/1.1", png()),  # curl -T
    (405, "", b"HEAD /v1/upscale HTTP/1.1", b""),
    (505, "--listen", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),  # a client of gRPC
    (411, "Content-Length", b"POST /v1/upscale?scale=2 HTTP/1.1", None),
    (411, "Content-Length", b"POST /v1/upscale?scale=2 HTTP/1.0", None),
    (400, "--data-binary", b"POST /v1/upscale?scale=2 HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded",
     png().replace(b"\n", b"")),  # curl -d
    (415, "compressed", b"POST /v1/upscale?scale=2 HTTP/1.1\r\nContent-Encoding: gzip", b"\x1f\x8b"),
    (200, "", b"POST /v1/upscale?scale=2 HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded", png()),
    (200, "", b"POST http://proxy.example:80/v1/upscale?scale=2 HTTP/1.1", png()),
    (200, "", b"\r\n\r\nPOST /v1/upscale?scale=2 HTTP/1.1", png()),
    (200, "", b"POST /v1%2Fupscale?sc%61le=%32 HTTP/1.1", png()),
    (200, "estimated_seconds", b"POST /v1/upscale?scale=2&validate_only=true HTTP/1.1\r\nAccept: application/json", png()),
    (204, "Allow: GET", b"OPTIONS * HTTP/1.1", None), (400, "slash", b"GET * HTTP/1.1", None),
], ids=lambda value: value.split(b"\r\n")[0].decode()[:40] if isinstance(value, bytes) and b" HTTP" in value else None)
def test_what_clients_say_otherwise(front, status, words, head, body):
    length = b"" if body is None else b"Content-Length: %d\r\n" % len(body)
    answer = raw(front.http, head + b"\r\nHost: x\r\nConnection: close\r\n" + length + b"\r\n" + (body or b""))
    assert answer.startswith(b"HTTP/1.1 %d " % status) and words.encode() in answer, answer[:400]


def test_bytes_that_are_no_text(front):
    """Names that are not UTF-8, or are cut within a character: the answer is JSON, its field is there, the log is lines of JSON."""
    status, document = problem(upscale(front.http, "scale=2&%ff=1"))
    assert status == 400 and document["field"] == "?"
    long = "x" + "\U0001F600" * 100
    for model, there in ((long, long[:20]), ("\udcff\udcfe", "??"), ("a\r\nb\x1b[2J", "a\r\nb\x1b[2J")):
        name = urllib.parse.quote(model, errors="surrogateescape")
        status, document = problem(upscale(front.http, "scale=2&model=" + name))
        assert (status, document["reason"]) == (404, "MODEL_UNKNOWN") and there in document["detail"]
        assert problem(call(front.http, "GET", "/v1/models/" + name))[0] == 404
    for line in front.log.read_text().splitlines():
        json.loads(line)


def test_models_by_path(front):
    assert json.loads(call(front.http, "GET", "/v1/models/")[2])["models"]
    assert problem(call(front.http, "GET", "/v1/models/edsr-baseline-hiif?page_size=1"))[0] == 400


def test_the_request_id_is_echoed_and_logged(front):
    _, headers, _ = upscale(front.http, "scale=2", headers={"X-Request-Id": "shop-17"})
    assert headers["X-Request-Id"] == "shop-17"
    _, document = problem(upscale(front.http, "scale=2&request_id=shop-18", b"no"))
    assert document["request_id"] == "shop-18"
    wait_for(lambda: all(id in front.log.read_text() for id in ("shop-17", "shop-18")))
    assert '"front":"http"' in front.log.read_text()


def test_the_description_fits_the_server(front, tmp_path):
    """schemathesis sends what openapi.json allows and forbids; every answer must be described there."""
    import sys
    result = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run",
         f"http://127.0.0.1:{front.http}/openapi.json", "--phases", "examples,coverage,fuzzing",
         "--max-examples", "15", "--checks",
         "not_a_server_error,status_code_conformance,content_type_conformance,"
         "response_schema_conformance", "--exclude-checks", "unsupported_method",
         "--seed", "1", "--request-timeout", "60"],
        capture_output=True, text=True, timeout=300, check=False, cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
