// The page: what was chosen, what is under way, what it says.
import { authorization, explain, upscale } from "./upscale";
import type { Tile, UpscaleHeader } from "../gen/hiif/v1/super_resolution_pb";
import { View } from "./view";

// Canvases end about there in today's browsers.
const MAX_PIXELS = 100e6;

const find = <T extends HTMLElement>(id: string) => document.getElementById(id) as T;
const ui = {
  form: find<HTMLFormElement>("controls"), file: find<HTMLInputElement>("file"), sample: find<HTMLButtonElement>("sample"),
  model: find<HTMLSelectElement>("model"), strengths: find("strengths"), strength: find<HTMLInputElement>("strength"),
  factor: find<HTMLInputElement>("factor"), width: find<HTMLInputElement>("width"),
  token: find<HTMLInputElement>("token"), start: find<HTMLButtonElement>("start"), cancel: find<HTMLButtonElement>("cancel"),
  download: find<HTMLAnchorElement>("download"), status: find("status"), error: find("error"),
  progress: find<HTMLProgressElement>("progress"), stage: find("stage"), compare: find<HTMLInputElement>("compare"),
  comparison: find("comparison"), zoom: find("zoom"), pace: find("pace"),
};
const view = new View(find("view"), find<HTMLCanvasElement>("canvas"));
let image: Blob | null = null;
let name = "image";
let running: AbortController | null = null;
let shown: Promise<void> = Promise.resolve(); // the original is in view, or this browser cannot show it

const say = (text: string) => { ui.status.textContent = text; };
const complain = (text: string) => {
  ui.error.textContent = text;
  ui.error.hidden = text === "";
};
const number = (value: number) => Math.round(value).toLocaleString("en");

async function take(blob: Blob, title: string): Promise<void> {
  running?.abort();
  complain("");
  image = blob;
  name = title.replace(/\.[^.]*$/, "") || "image";
  ui.download.hidden = true;
  ui.start.disabled = false;
  shown = show(blob, title);
  await shown;
}

async function show(blob: Blob, title: string): Promise<void> {
  // The server may read what the browser cannot; if it cannot either, it says so.
  const bitmap = await createImageBitmap(blob).catch(() => null);
  if (image !== blob) return; // another one was chosen meanwhile
  ui.stage.hidden = bitmap === null;
  ui.comparison.hidden = bitmap === null;
  if (bitmap === null) {
    view.clear();
    return say(`${title}: this browser cannot show it.`);
  }
  view.show(bitmap);
  say(`${title}: ${bitmap.width} x ${bitmap.height} pixels.`);
}

function takeOneOf(files: FileList | null | undefined, title: string): void {
  const file = files?.[0];
  if (!file) return;
  void take(file, file.name || title);
  if (files.length > 1) complain(`One image at a time: ${file.name} was taken, ${files.length - 1} more were not.`);
}

/** In words, where the browser has only its own. */
function inWords(error: unknown): string {
  return error instanceof TypeError ? "The server cannot be reached, or it broke the connection off." : (error as Error).message;
}

/** What cannot be sent is no fault of the server's. */
async function checkReadable(blob: Blob): Promise<void> {
  if (blob.size === 0) throw new Error("The file is empty, or it is gone."); // Chromium knows no difference
  await blob.slice(0, 1).arrayBuffer().catch(() => {
    throw new Error("The file cannot be read: is it a folder, or was it moved?");
  });
}

/** RGBA of a tile's samples: grey, grey and alpha, RGB, or RGB and alpha. */
function toImageData(tile: Tile, channels: number): ImageData {
  const data = new Uint8ClampedArray(tile.width * tile.height * 4);
  const samples = tile.samples;
  const colour = channels > 2 ? 1 : 0;
  const alpha = channels % 2 === 0;
  for (let from = 0, to = 0; to < data.length; from += channels, to += 4) {
    data[to] = samples[from];
    data[to + 1] = samples[from + colour];
    data[to + 2] = samples[from + 2 * colour];
    data[to + 3] = alpha ? samples[from + channels - 1] : 255;
  }
  return new ImageData(data, tile.width, tile.height);
}

async function run(): Promise<void> {
  if (!image || running) return;
  const job = new AbortController();
  const chosen = image;
  const title = name;
  running = job;
  complain("");
  ui.cancel.hidden = false;
  ui.start.disabled = true;
  ui.progress.hidden = false;
  ui.progress.removeAttribute("value");
  say("Sent; waiting for the server.");
  const byWidth = new FormData(ui.form).get("by") === "size";
  let header: UpscaleHeader | null = null;
  let pixels = 0;
  let began = 0;
  try {
    await shown;
    await checkReadable(chosen);
    if (ui.model.options.length === 0) await listModels(); // the server was not there before
    await upscale({
      image: chosen, model: ui.model.value, token: ui.token.value,
      ...(ui.strengths.hidden ? {} : { strength: ui.strength.valueAsNumber / 100 }),
      ...(byWidth ? { width: ui.width.valueAsNumber } : { factor: ui.factor.valueAsNumber }),
    }, {
      header(it) {
        if (it.outputWidth * it.outputHeight > MAX_PIXELS)
          throw new Error(`${it.outputWidth} x ${it.outputHeight} pixels are too many for a browser; use the command line.`);
        header = it;
        began = performance.now();
        ui.stage.hidden = false;
        ui.download.hidden = true; // until then the result before is in view
        view.begin(it.outputWidth, it.outputHeight);
        say(`${it.outputWidth} x ${it.outputHeight} pixels by ${it.model}; the server expects ${it.estimatedSeconds.toFixed(1)} s.`);
      },
      tile(tile) {
        view.place(toImageData(tile, header!.channels), Number(tile.x), Number(tile.y));
        pixels += tile.width * tile.height;
        ui.progress.value = pixels / (header!.outputWidth * header!.outputHeight);
        const speed = pixels / Math.max(0.001, (performance.now() - began) / 1000);
        ui.zoom.title = `${number(speed)} pixels/s`;
        ui.pace.hidden = false; // outside the live region: a screen reader would read every tile
        ui.pace.textContent = `${Math.floor(ui.progress.value * 100)} %, ${number(speed)} pixels/s`;
      },
      trailer() {
        const seconds = (performance.now() - began) / 1000;
        say(`Done: ${header!.outputWidth} x ${header!.outputHeight} pixels in ${seconds.toFixed(1)} s, ${number(pixels / Math.max(0.001, seconds))} pixels/s.`);
      },
    }, job.signal);
    const png = await view.png();
    if (image !== chosen) return; // another one was chosen meanwhile
    if (!png) return complain("This browser cannot make a PNG of it: ask for a smaller one, or use the command line.");
    URL.revokeObjectURL(ui.download.href);
    ui.download.href = URL.createObjectURL(png);
    ui.download.download = `${title}_${header!.outputWidth}x${header!.outputHeight}.png`;
    ui.download.hidden = false;
  } catch (error) {
    if (!job.signal.aborted) {
      job.abort(); // nothing more of it is wanted
      say("It did not work.");
      complain(inWords(error));
    } else if (image === chosen) say("Cancelled.");
  } finally {
    view.finish();
    ui.cancel.hidden = true;
    ui.progress.hidden = true;
    ui.pace.hidden = true;
    ui.start.disabled = false;
    running = null;
  }
}

interface Model { name: string; state: string; is_default: boolean; has_strength: boolean }
const SERVED = ["MODEL_STATE_READY", "MODEL_STATE_UNLOADED"]; // a request for one that is unloaded loads it

async function listModels(): Promise<void> {
  const served: Model[] = [];
  let next = "";
  do {
    const page = next && `?${new URLSearchParams({ page_token: next })}`;
    const response = await fetch(`v1/models${page}`, { headers: authorization(ui.token.value) });
    if (!response.ok) return complain(await explain(response));
    const { models, next_page_token } = await response.json();
    served.push(...models.filter((model: Model) => SERVED.includes(model.state)));
    next = next_page_token;
  } while (next);
  complain("");
  const kept = ui.model.value;
  ui.model.replaceChildren(...served.map((model) => new Option(model.name, model.name, model.is_default, model.is_default)));
  if (served.some((model) => model.name === kept)) ui.model.value = kept;
  withStrength = new Set(served.filter((model) => model.has_strength).map((model) => model.name));
  offerStrength();
}

/** Models of two networks. */
let withStrength = new Set<string>();
function offerStrength(): void {
  ui.strengths.hidden = !withStrength.has(ui.model.value);
}

ui.form.addEventListener("submit", (event) => {
  event.preventDefault();
  void run();
});
ui.cancel.addEventListener("click", () => running?.abort());
ui.file.addEventListener("change", () => {
  takeOneOf(ui.file.files, "image");
  ui.file.value = ""; // else the same file again, changed perhaps, were no change
});
ui.sample.addEventListener("click", async () => {
  try {
    const response = await fetch("sample.png");
    if (!response.ok) throw new Error(await explain(response));
    await take(await response.blob(), "sample.png");
  } catch (error) {
    complain(inWords(error));
  }
});
const refreshModels = () => void listModels().catch((error) => complain(inWords(error)));
ui.token.addEventListener("change", refreshModels);
ui.model.addEventListener("change", offerStrength);
ui.factor.addEventListener("input", () => find<HTMLInputElement>("controls").querySelector<HTMLInputElement>("[value=factor]")!.checked = true);
ui.width.addEventListener("input", () => ui.form.querySelector<HTMLInputElement>("[value=size]")!.checked = true);
ui.compare.addEventListener("input", () => view.compare(ui.compare.valueAsNumber));
view.onZoom = (scale) => { ui.zoom.textContent = `${Math.round(scale * 100)} %`; };
document.addEventListener("paste", (event) => takeOneOf(event.clipboardData?.files, "pasted.png"));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("over");
});
document.addEventListener("dragleave", () => document.body.classList.remove("over"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("over");
  if (event.dataTransfer?.files.length) takeOneOf(event.dataTransfer.files, "dropped.png");
  else complain("There is no file in what was dropped: save the image, and drop that file.");
});
window.addEventListener("pagehide", () => running?.abort());
refreshModels();
