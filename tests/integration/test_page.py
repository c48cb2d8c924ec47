"""The page in headless Chromium: what a user does, what a screen reader finds, and where it comes from."""

import http.server
import io
import json
import os
import shutil
import subprocess
import threading
import urllib.parse

import numpy
import pytest
from PIL import Image

from http_front import call, wait_for
from processes import ROOT, run_server

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium here (scripts/setup --test)")


@pytest.fixture(scope="module")
def front(tmp_path_factory, two_models):
    with run_server(tmp_path_factory.mktemp("page"), "--http-listen", "127.0.0.1:0", "--default-model",
                    "edsr-baseline-hiif-fast", model_dir=two_models) as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()[-4000:]


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def until(page, expression, seconds=120):
    """Playwright's own wait_for_function evaluates inside the page, which the page's policy forbids."""
    wait_for(lambda: page.evaluate(expression), seconds)


@pytest.fixture(params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture
def page(browser, front):
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    page = context.new_page()
    page.complaints = []
    page.on("console", lambda message: page.complaints.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: page.complaints.append(str(error)))
    page.goto(f"http://127.0.0.1:{front.http}/")
    until(page, "document.querySelector('#model').options.length > 0")
    yield page
    context.close()


def run_sample(page, factor="2"):
    page.click("#sample")
    until(page, "document.querySelector('#status').textContent.startsWith('sample.png: ')")
    page.wait_for_selector("#start:enabled")
    page.fill("#factor", factor)
    page.click("#start")
    page.wait_for_selector("#download:visible", timeout=120_000)


def pixels(page):
    """The canvas as it is shown."""
    return numpy.asarray(Image.open(io.BytesIO(page.locator("#view").screenshot())).convert("RGB")).astype(int)


def test_the_sample_is_enlarged_and_downloaded(page, front):
    assert page.eval_on_selector("#model", "e => e.value") == "edsr-baseline-hiif-fast"
    run_sample(page)
    assert "Done: 416 x 312 pixels" in page.text_content("#status")
    with page.expect_download() as download:
        page.click("#download")
    assert download.value.suggested_filename == "sample_416x312.png"
    got = numpy.asarray(Image.open(download.value.path()).convert("RGB"))
    _, _, direct = call(front.http, "POST", "/v1/upscale?scale=2", (ROOT / "web" / "sample.png").read_bytes())
    numpy.testing.assert_array_equal(got, numpy.asarray(Image.open(io.BytesIO(direct))))
    assert not page.complaints


def test_strength_where_a_model_has_it(browser, start_server, tmp_path):
    models = tmp_path / "models"
    models.mkdir()
    for name in ("edsr-baseline-hiif-photo", "edsr-baseline-hiif-fast"):
        shutil.copy(ROOT / "models" / f"{name}.safetensors", models)
    front = start_server("--http-listen", "127.0.0.1:0", "--default-model", "edsr-baseline-hiif-fast", model_dir=models)
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{front.http}/")
    until(page, "document.querySelector('#model').options.length > 1")
    assert page.is_hidden("#strength")
    page.select_option("#model", "edsr-baseline-hiif-photo")
    assert page.get_by_role("slider", name="Strength").is_visible()
    pictures = {}
    for percent in (100, 25):
        page.fill("#strength", str(percent))
        run_sample(page)
        with page.expect_download() as download:
            page.click("#download")
        pictures[percent] = numpy.asarray(Image.open(download.value.path()).convert("RGB"))
        _, _, direct = call(front.http, "POST", f"/v1/upscale?scale=2&model=edsr-baseline-hiif-photo&strength={percent / 100}",
                            (ROOT / "web" / "sample.png").read_bytes())
        numpy.testing.assert_array_equal(pictures[percent], numpy.asarray(Image.open(io.BytesIO(direct))))
    assert (pictures[100] != pictures[25]).any()
    page.select_option("#model", "edsr-baseline-hiif-fast")
    assert page.is_hidden("#strength")
    run_sample(page)  # and is not sent to a model that refuses it
    page.close()


def test_a_dropped_file_and_a_width(page, photo):
    page.evaluate("""async ([bytes]) => {
        const data = new DataTransfer();
        data.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }""", [list(photo.read_bytes())])
    until(page, "document.querySelector('#status').textContent.includes('48 x 40')")
    page.fill("#width", "101")
    page.click("#start")
    page.wait_for_selector("#download:visible", timeout=60_000)
    assert "Done: 101 x 84 pixels" in page.text_content("#status")
    assert not page.complaints


def test_tiles_arrive_and_closing_cancels(page, front):
    page.click("#sample")
    page.wait_for_selector("#start:enabled")
    page.select_option("#model", "edsr-baseline-hiif")
    page.fill("#factor", "20")
    page.click("#start")
    until(page, "/^[1-9][0-9]* %, .* pixels\\/s/.test(document.querySelector('#pace').textContent)")
    assert 0 < page.eval_on_selector("#progress", "e => e.value") < 1
    page.click("#cancel")
    until(page, "document.querySelector('#status').textContent === 'Cancelled.'")
    wait_for(lambda: front.log.read_text().count('"CANCELLED"') == 1)
    page.click("#start")
    until(page, "!document.querySelector('#pace').hidden")
    page.close()
    wait_for(lambda: front.log.read_text().count('"CANCELLED"') == 2)


def test_the_slider_and_zoom(page):
    run_sample(page, "3")
    network = pixels(page)
    page.fill("#compare", "100")
    page.wait_for_timeout(200)
    bicubic = pixels(page)
    assert numpy.abs(network - bicubic).max() > 20
    page.fill("#compare", "50")
    page.wait_for_timeout(200)
    half = pixels(page)
    middle = half.shape[1] // 2
    assert numpy.abs(half[:, :middle - 30] - bicubic[:, :middle - 30]).mean() < 1
    assert numpy.abs(half[:, middle + 30:] - network[:, middle + 30:]).mean() < 1
    before = page.text_content("#zoom")
    page.hover("#view")
    page.mouse.wheel(0, -400)
    until(page, f"document.querySelector('#zoom').textContent !== '{before}'")
    zoomed = page.text_content("#zoom")
    page.focus("#view")
    page.keyboard.press("-")
    until(page, f"document.querySelector('#zoom').textContent !== '{zoomed}'")
    page.keyboard.press("0")
    until(page, f"document.querySelector('#zoom').textContent === '{before}'")


def test_errors_are_told_in_words(page):
    page.set_input_files("#file", {"name": "bad.png", "mimeType": "image/png", "buffer": b"no image"})
    page.wait_for_selector("#start:enabled")
    page.click("#start")
    page.wait_for_selector("#error:visible")
    assert "body" in page.text_content("#error")
    run_sample(page)
    assert not page.is_visible("#error")
    page.fill("#factor", "31")
    page.evaluate("document.querySelector('#controls').noValidate = true")
    page.fill("#factor", "0.5")
    page.click("#start")
    page.wait_for_selector("#error:visible")
    assert "1 to 32" in page.text_content("#error")


def drop(page, *files):
    """Files by (name, bytes), or none: a link, say."""
    page.evaluate("""files => {
        const data = new DataTransfer();
        for (const [name, bytes] of files) data.items.add(new File([new Uint8Array(bytes)], name, { type: "image/png" }));
        if (files.length === 0) data.setData("text/uri-list", "http://elsewhere/photo.png");
        document.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
    }""", [[name, list(body)] for name, body in files])


def complaint(page, words):
    until(page, f"document.querySelector('#error').textContent.includes({words!r}) && !document.querySelector('#error').hidden", 30)


def test_what_is_dropped_by_mistake(page, photo):
    drop(page)
    complaint(page, "no file")
    drop(page, ("one.png", photo.read_bytes()), ("two.png", photo.read_bytes()))
    complaint(page, "one.png was taken, 1 more")
    drop(page, ("empty.png", b""))
    page.click("#start")
    complaint(page, "empty")
    # The second of two that come at once is the one that counts, and Enlarge waits for it.
    large = io.BytesIO()
    Image.new("RGB", (2500, 2000), (200, 30, 30)).save(large, "PNG")
    drop(page, ("large.png", large.getvalue()))
    drop(page, ("small.png", photo.read_bytes()))
    page.fill("#factor", "2")
    page.click("#start")
    page.wait_for_selector("#download:visible", timeout=60_000)
    assert "Done: 96 x 80 pixels" in page.text_content("#status")
    assert not page.is_visible("#error") and not page.complaints


def test_a_file_that_goes_away(page, photo, tmp_path):
    """No fault of the server's."""
    copy = tmp_path / "photo.png"
    copy.write_bytes(photo.read_bytes())
    page.set_input_files("#file", copy)
    until(page, "document.querySelector('#status').textContent.includes('48 x 40')")
    copy.unlink()
    page.click("#start")
    complaint(page, "is gone")


def test_tokens_large_files_and_a_server_that_is_gone(browser, tmp_path, two_models, photo):
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps({"tokens": [{"name": "a", "token": "s3cret"}]}))
    context = browser.new_context()
    page = context.new_page()
    with run_server(tmp_path, "--http-listen", "127.0.0.1:0", "--default-model", "edsr-baseline-hiif-fast", "--token-file", tokens,
                    "--max-upload-bytes", "1MiB", model_dir=two_models) as server:
        page.goto(f"http://127.0.0.1:{server.http}/")
        complaint(page, "asks for a token")
        page.set_input_files("#file", photo)
        page.click("#start")
        complaint(page, "asks for a token")
        page.fill("#token", "guess")
        page.click("#start")
        complaint(page, "asks for a token")
        page.fill("#token", "s3cret")
        page.click("#start")
        page.wait_for_selector("#download:visible", timeout=60_000)
        assert page.eval_on_selector("#model", "e => e.options.length") == 2 and not page.is_visible("#error")
        huge = tmp_path / "huge.png"
        with open(huge, "wb") as out:
            out.truncate(40 << 20)
        page.set_input_files("#file", huge)
        page.click("#start")
        complaint(page, "--max-upload-bytes")
        page.set_input_files("#file", photo)
    page.click("#start")
    complaint(page, "cannot be reached")
    page.click("#sample")
    complaint(page, "cannot be reached")
    context.close()


@pytest.fixture
def scripted(browser):
    """The page of a server that has two pages of models and a black picture of 8 x 8 pixels for every one that it gets,
    or a refusal from page.refusals."""
    from hiif.v1 import super_resolution_pb2 as pb
    refusals = []
    states = {"": (["a READY", "b FAILED", "c UNLOADED"], "c"), "c": (["d LOADING", "e READY"], "")}

    def models(token):
        names, following = states[token]
        return json.dumps({"next_page_token": following, "models": [
            {"name": name, "state": f"MODEL_STATE_{state}", "is_default": name == "a", "has_strength": False}
            for name, state in map(str.split, names)]}).encode()

    def picture():
        parts = [pb.UpscaleResponse(header=pb.UpscaleHeader(output_width=8, output_height=8, channels=3, model="a")),
                 pb.UpscaleResponse(tile=pb.Tile(width=8, height=8, samples=bytes(8 * 8 * 3))),
                 pb.UpscaleResponse(trailer=pb.UpscaleTrailer())]
        for part in map(pb.UpscaleResponse.SerializeToString, parts):
            yield from [len(part) & 127 | 128, len(part) >> 7] if len(part) > 127 else [len(part)]
            yield from part

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self, body, status=200):
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            url = urllib.parse.urlsplit(self.path)
            token, = urllib.parse.parse_qs(url.query).get("page_token", [""])
            self.answer(models(token) if url.path == "/v1/models" else (ROOT / "web/dist/index.html").read_bytes())

        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if refusals:
                self.answer(json.dumps({"detail": refusals.pop()}).encode(), 429)
            else:
                self.answer(bytes(picture()))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = browser.new_page()
        page.refusals = refusals
        page.add_init_script("""
            const encode = HTMLCanvasElement.prototype.toBlob;
            HTMLCanvasElement.prototype.toBlob = function (done, type) {
                window.encoded = () => encode.call(this, done, type);
                window.failed = () => done(null);
            };""")
        page.goto(f"http://127.0.0.1:{server.server_port}/")
        until(page, "document.querySelector('#model').options.length > 0")
        yield page
        page.close()
        server.shutdown()


def test_every_model_that_a_request_may_name_is_offered(scripted):
    assert scripted.eval_on_selector_all("#model option", "all => all.map(e => e.value)") == ["a", "c", "e"]
    assert scripted.eval_on_selector("#model", "e => e.value") == "a"


def test_a_picture_dropped_while_a_result_is_encoded(scripted, photo):
    """The result is of the one before, and is not offered under the new one's name."""
    drop(scripted, ("one.png", photo.read_bytes()))
    scripted.click("#start")
    until(scripted, "window.encoded !== undefined")
    drop(scripted, ("two.png", photo.read_bytes()))
    until(scripted, "document.querySelector('#status').textContent.startsWith('two.png')")
    scripted.evaluate("window.encoded()")
    until(scripted, "document.querySelector('#cancel').hidden")
    assert scripted.is_hidden("#download") and scripted.is_hidden("#error")
    scripted.evaluate("delete window.encoded")
    scripted.click("#start")
    until(scripted, "window.encoded !== undefined")
    scripted.evaluate("window.encoded()")
    scripted.wait_for_selector("#download:visible")
    assert scripted.get_attribute("#download", "download") == "two_8x8.png"


def test_a_result_of_which_no_file_can_be_made_is_told(scripted, photo):
    drop(scripted, ("one.png", photo.read_bytes()))
    scripted.click("#start")
    until(scripted, "window.failed !== undefined")
    scripted.evaluate("window.failed()")
    complaint(scripted, "cannot make a PNG")
    assert scripted.is_hidden("#download") and scripted.is_enabled("#start")


def enlarge(page):
    """By the scripted server, to the end."""
    page.evaluate("delete window.encoded")
    page.click("#start")
    until(page, "window.encoded !== undefined")
    page.evaluate("window.encoded()")
    page.wait_for_selector("#download:visible")


def png(colour):
    out = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("before", [False, True], ids=["first", "after another"])
def test_a_file_that_the_browser_cannot_show(scripted, before):
    """Its result is in view all the same, and nothing of the picture before it."""
    if before:
        drop(scripted, ("red.png", png((255, 0, 0))))
        enlarge(scripted)
        assert scripted.is_visible("#compare")
        scripted.fill("#compare", "100")
    drop(scripted, ("scan.tif", b"II*\0 and what the server makes of it"))
    until(scripted, "document.querySelector('#status').textContent.includes('cannot show it')")
    enlarge(scripted)
    scripted.wait_for_timeout(200)
    seen = pixels(scripted)
    height, width, _ = seen.shape
    assert (seen[height // 2, width // 2] == 0).all() and scripted.is_hidden("#compare")
    assert not (seen[..., 0] - seen[..., 1] > 50).any()
    drop(scripted, ("red.png", png((255, 0, 0))))
    until(scripted, "document.querySelector('#status').textContent.startsWith('red.png: 8 x 8')")
    assert scripted.is_visible("#compare")


def test_a_file_may_be_chosen_again(scripted, photo):
    """A browser tells of no change where the name is the one that is there."""
    scripted.set_input_files("#file", photo)
    until(scripted, "document.querySelector('#status').textContent.includes('48 x 40')")
    assert scripted.eval_on_selector("#file", "e => e.files.length") == 0
    enlarge(scripted)


def test_a_token_leaves_the_model_chosen(scripted):
    scripted.select_option("#model", "e")
    with scripted.expect_response(lambda response: "page_token=c" in response.url):
        scripted.fill("#token", "s3cret")
        scripted.press("#token", "Tab")
    scripted.wait_for_timeout(200)
    assert scripted.eval_on_selector("#model", "e => e.value") == "e"


def test_a_token_that_no_header_can_hold(scripted, photo):
    drop(scripted, ("one.png", photo.read_bytes()))
    scripted.fill("#token", "\u0442\u043e\u043a\u0435\u043d")
    scripted.press("#token", "Tab")
    complaint(scripted, "ASCII")
    scripted.click("#start")
    until(scripted, "document.querySelector('#status').textContent === 'It did not work.'")
    complaint(scripted, "ASCII")


def test_a_refusal_leaves_the_result_that_is_in_view(scripted, photo):
    drop(scripted, ("one.png", photo.read_bytes()))
    enlarge(scripted)
    scripted.refusals.append("the queue is full")
    scripted.click("#start")
    complaint(scripted, "the queue is full")
    assert scripted.is_visible("#download")


def test_a_screen_reader_is_not_told_of_every_tile(scripted, photo):
    scripted.evaluate("""() => {
        window.told = {};
        for (const id of ["status", "pace"]) {
            told[id] = [];
            const node = document.getElementById(id);
            new MutationObserver(() => told[id].push(node.textContent)).observe(node, { childList: true });
        }
    }""")
    drop(scripted, ("one.png", photo.read_bytes()))
    enlarge(scripted)
    told = scripted.evaluate("told")
    assert any("Done" in text for text in told["status"]) and not any("%" in text for text in told["status"])
    assert any("100 %" in text for text in told["pace"])
    live = "[role=status], [role=alert], [aria-live]"
    assert scripted.evaluate(f"document.querySelector('#pace').closest('{live}')") is None
    assert scripted.is_hidden("#pace")


def test_the_keyboard_reaches_everything(page, photo):
    page.set_input_files("#file", photo)
    page.wait_for_selector("#start:enabled")
    reached = set()
    for _ in range(30):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"file", "sample", "model", "factor", "width", "token", "start", "view", "compare"} <= reached
    page.focus("#factor")
    page.keyboard.press("Enter")
    page.wait_for_selector("#download:visible", timeout=60_000)


def test_axe_finds_nothing(browser, front, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    context = browser.new_context(color_scheme=scheme, bypass_csp=True)  # axe is a script of the test's
    page = context.new_page()
    page.goto(f"http://127.0.0.1:{front.http}/")
    until(page, "document.querySelector('#model').options.length > 0")
    run_sample(page)
    results = axe.run(page)
    assert results.violations_count == 0, results.generate_report()
    context.close()


def test_nothing_comes_from_elsewhere(browser, front):
    context = browser.new_context()
    page = context.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"http://127.0.0.1:{front.http}/")
    run_sample(page)
    own = f"http://127.0.0.1:{front.http}/"
    assert all(url.startswith((own, "blob:" + own, "data:")) for url in asked), asked
    # The policy holds: neither a script of somebody's nor another host.
    assert page.evaluate("""() => new Promise(resolve => {
        addEventListener("securitypolicyviolation", () => resolve(true));
        const script = document.createElement("script");
        script.textContent = "window.broken = true";
        document.head.append(script);
        setTimeout(() => resolve(false), 3000);
    })""")
    assert page.evaluate("window.broken") is None
    with pytest.raises(playwright.Error):
        page.evaluate("fetch('http://127.0.0.1:9/')")
    assert call(front.http, "GET", "/")[1]["Content-Security-Policy"] == "frame-ancestors 'none'"
    context.close()


@pytest.mark.skipif(shutil.which("npm") is None, reason="no npm here")
def test_the_bundle_is_what_the_sources_make(tmp_path):
    web = tmp_path / "web"
    shutil.copytree(ROOT / "web", web, ignore=shutil.ignore_patterns("node_modules", "gen", "dist"))
    shutil.copytree(ROOT / "scripts", tmp_path / "scripts", symlinks=True)
    (tmp_path / "proto").symlink_to(ROOT / "proto")
    page = web / "dist" / "index.html"
    page.parent.mkdir()
    shutil.copy(ROOT / "web" / "dist" / "index.html", page)
    installed = subprocess.run(["npm", "ci", "--no-audit", "--no-fund"], cwd=web, capture_output=True, text=True,
                               timeout=200, check=False)
    if installed.returncode != 0:
        pytest.skip("npm ci: " + installed.stderr[-300:])

    def build(*arguments):
        path = os.path.join(ROOT, ".venv", "bin") + os.pathsep + os.environ["PATH"]
        return subprocess.run([tmp_path / "scripts" / "build-page", *arguments], capture_output=True, text=True,
                              timeout=100, check=False, env={**os.environ, "PATH": path})

    done = build("--check")
    assert done.returncode == 0, done.stderr
    page.write_text("another one")
    done = build("--check")
    assert done.returncode == 1 and "run scripts/build-page" in done.stderr, done.stderr
    assert page.read_text() == "another one"  # --check changes nothing
    done = build()
    assert done.returncode == 0, done.stderr
    assert page.read_bytes() == (ROOT / "web" / "dist" / "index.html").read_bytes()
