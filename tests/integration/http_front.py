"""The HTTP front as clients see it."""

import contextlib
import http.client
import io
import json
import socket
import subprocess
import time

from PIL import Image


def png(size=(16, 12), colour=(10, 120, 200)):
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def call(port, method, path, body=None, headers=None, timeout=120):
    """(status, headers, body) of one request on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        return response.status, response.headers, response.read()


def upscale(port, query, body=None, headers=None, timeout=120):
    return call(port, "POST", "/v1/upscale?" + query, png() if body is None else body, headers,
                timeout)


def problem(answer):
    """(status, the problem) of an answer that must be one."""
    status, headers, body = answer
    assert headers["Content-Type"] == "application/problem+json", (status, headers, body[:200])
    document = json.loads(body)
    assert document["status"] == status and document["detail"] and document["code"]
    return status, document


def raw(port, data, timeout=30):
    """What a server answers to bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout) as connection:
        connection.sendall(data)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def curl(*arguments, check=0):
    result = subprocess.run(["curl", "-sS", *map(str, arguments)], capture_output=True, timeout=300,
                            check=False)
    assert check is None or result.returncode == check, (result.returncode, result.stderr)
    return result


def soon(holds, seconds=60):
    """Whether it holds by then."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def wait_for(condition, seconds=20):
    assert soon(condition, seconds), "waited in vain"
