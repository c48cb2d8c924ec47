"""What goes wrong gives the same through every door: bad input, overload, cancellation, a slow reader."""

import contextlib
import io
import json
import struct
import time
import zlib

import pytest
import requests
from PIL import Image

from doors import DOORS, OK, Grpc, Http, KServe, KServeStream
from http_front import soon, wait_for
from processes import ROOT, run_server
from stalling_proxy import StallingProxy

pytest.importorskip("tritonclient.grpc")
FLAGS = ("--http-listen", "127.0.0.1:0", "--kserve", "--default-model", "edsr-baseline-hiif-fast", "--max-rpcs", "4",
         "--write-timeout", "2s")
names = pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)


@pytest.fixture(scope="module")
def front(tmp_path_factory, two_models):
    with run_server(tmp_path_factory.mktemp("doors"), *FLAGS, model_dir=two_models) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-4000:]


def picture(size=(48, 40)):
    out = io.BytesIO()
    Image.open(ROOT / "examples" / "chelsea.png").convert("RGB").crop((70, 40, 70 + size[0], 40 + size[1])).save(out, "PNG")
    return out.getvalue()


def bomb():
    """60,000 x 60,000 pixels, it says."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0)) +
            chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b""))


def metric(server, line):
    return line in requests.get(server.management + "/metrics", timeout=9).text.splitlines()


def lines_of(server, request_id):
    return [line for line in server.log.read_text().splitlines() if request_id in line]


@pytest.mark.parametrize("case", [
    {"body": b""}, {"body": b"not an image"}, {"body": picture()[:60]}, {"body": picture()[:-400]}, {"body": bomb()},
    {"scale": 0.5}, {"scale": float("nan")}, {"scale": float("inf")}, {"scale": 1e6}, {"scale": -2.0},
    {"model": "no-such"}, {"model": "../models/x"}, {"model_version": "7"}, {"model": "x" + "\U0001F600" * 100},
    {"region": "90,70,20,20"}, {"region": "0,0,0,0"}, {"region": "-1,0,5,5"},
    {"quality": 101}, {"tile_size": 3}, {"max_colours": 1},
    {"request_id": "x" * 200}], ids=lambda case: "-".join(f"{k}={str(v)[:12]}" for k, v in case.items()))
def test_bad_input(front, case):
    """The same code, the same reason, a field that is named; and the server goes on."""
    case = {"body": picture(), **case}
    if "max_colours" in case:  # no parameter: only doors whose parameters have names can be told it
        doors = [door for door in DOORS if door is not Grpc]
    else:
        doors = DOORS
    outcomes = {door.name: door(front, **case).outcome() for door in doors}
    assert len({(outcome.code, outcome.reason) for outcome in outcomes.values()}) == 1, outcomes
    assert OK not in outcomes.values() or case["body"] == picture()[:-400]
    for outcome in outcomes.values():
        assert outcome.code != "INVALID_ARGUMENT" or outcome.field, outcomes


@names
def test_overload(front, door):
    """Four calls of one door hold all places; each door refuses the next one alike, and says when to come back."""
    # A place is given back behind the answer, which the test before may have had.
    wait_for(lambda: metric(front, "hiif_inflight_requests 0"))
    with contextlib.ExitStack() as stack:
        for _ in range(4):
            stack.callback(door(front, picture(), 16.0).leave)
        wait_for(lambda: metric(front, "hiif_inflight_requests 4"))
        refused = {other.name: other(front, picture()).outcome() for other in DOORS}
    assert {(one.code, one.reason) for one in refused.values()} == {("RESOURCE_EXHAUSTED", "QUEUE_FULL")}, refused
    assert all(one.retry > 0 for one in refused.values()), refused
    wait_for(lambda: metric(front, "hiif_inflight_requests 0"))
    assert door(front, picture()).outcome() == OK


@names
def test_what_can_not_be_done_in_time_is_refused(front, door):
    for attempt in range(20):  # on a busy machine the time may be over before the server hears of the call
        name = f"in-a-hurry-{door.name}-{attempt}"
        outcome = door(front, picture((200, 200)), 20.0, timeout=0.2, request_id=name).outcome()
        assert outcome.code in ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED", "CUT_OFF")  # by HTTP, behind the answer's beginning
        assert outcome.code != "RESOURCE_EXHAUSTED" or outcome.reason == "DEADLINE_OUT_OF_REACH"
        if soon(lambda name=name: lines_of(front, name), 5):
            break
    line = json.loads(lines_of(front, name)[0])
    # A gRPC client ends a call by its own clock too, and is a little earlier than the server.
    codes = ("RESOURCE_EXHAUSTED", "DEADLINE_EXCEEDED") + (() if door is Http else ("CANCELLED",))
    assert line["code"] in codes and line["seconds"] < 5


@pytest.mark.parametrize("door", [*DOORS, KServeStream], ids=lambda door: door.name)
def test_a_client_that_goes_cancels_the_work(front, door):
    name = f"leaves-by-{door.name}"
    call = door(front, picture(), 16.0, request_id=name)
    try:
        wait_for(lambda: metric(front, "hiif_queue_requests 1"))
    finally:
        call.leave()
    wait_for(lambda: metric(front, "hiif_queue_requests 0") and metric(front, "hiif_inflight_requests 0"), 10)
    assert call.outcome().code == "CANCELLED"
    if door is not KServeStream:  # its line is that of the stream
        wait_for(lambda: any('"CANCELLED"' in line for line in lines_of(front, name)))


@pytest.mark.parametrize("door", [*DOORS, KServeStream], ids=lambda door: door.name)
def test_a_slow_reader_is_cut_off_and_others_are_not_touched(front, door):
    """A client that reads nothing: the others are served, and what it holds is given up."""
    memory, seen = front.rss(), len(front.log.read_text())
    name = f"reads-nothing-{door.name}"
    with StallingProxy(front.http if door is Http else front.port, 20_000) as proxy:
        call = door(front, picture((120, 120)), 8.0, port=proxy.port, request_id=name, floats=True)
        # An answer in one message is sent behind the call's line; another line says that it was given up.
        words = '"an answer was given up"' if door is KServe else "DEADLINE_EXCEEDED" if door in DOORS else '"ModelStreamInfer"'
        end = time.monotonic() + 60
        while not any(words in line and '"OK"' not in line and (name in line or door is KServeStream)
                      for line in front.log.read_text()[seen:].splitlines()):
            assert time.monotonic() < end, "it was waited for"
            assert Grpc(front, picture((16, 16))).outcome(20) == OK
            time.sleep(0.1)
        assert front.rss() - memory < 200 << 20
        proxy.resume()
        # The status arrives where the connection is not blocked itself.
        assert call.outcome().code in (("CUT_OFF",) if door is Http else ("DEADLINE_EXCEEDED", "UNAVAILABLE"))
    wait_for(lambda: metric(front, "hiif_inflight_requests 0"))
