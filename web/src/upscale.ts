// One request of the page: POST /v1/upscale?format=tiles, its tiles as they arrive.
import { fromBinary } from "@bufbuild/protobuf";
import { type Tile, type UpscaleHeader, type UpscaleTrailer, UpscaleResponseSchema } from "../gen/hiif/v1/super_resolution_pb";

export interface Wishes {
  image: Blob;
  model: string;
  factor?: number;
  width?: number;
  strength?: number; // 0 to 1, of a model of two networks
  token: string;
}

export interface Events {
  header(header: UpscaleHeader): void;
  tile(tile: Tile): void;
  trailer(trailer: UpscaleTrailer): void;
}

/** What the server says of an error, in words. */
export async function explain(response: Response): Promise<string> {
  const problem = await response.json().catch(() => null);
  const detail = problem?.detail ?? `the server answered ${response.status} ${response.statusText}`;
  const wait = response.headers.get("Retry-After");
  if (response.status === 401) return "This server asks for a token: enter one that it knows.";
  return wait ? `${detail} (try again in ${wait} s)` : detail;
}

export function authorization(token: string): HeadersInit {
  // fetch's own word for it is the one for a server that is gone.
  if (/[^\x20-\x7e]/.test(token))
    throw new Error("Tokens are of ASCII characters alone, and this one has others: enter it anew.");
  return token ? { Authorization: `Bearer ${token}` } : {};
}

/** Messages behind their lengths (varints), however the network cuts them. */
export class Messages {
  private bytes = new Uint8Array(0);

  *push(part: Uint8Array): Generator<Uint8Array> {
    const joined = new Uint8Array(this.bytes.length + part.length);
    joined.set(this.bytes);
    joined.set(part, this.bytes.length);
    let at = 0;
    for (;;) {
      let size = 0, shift = 0, next = at;
      for (; next < joined.length && shift < 35; shift += 7) {
        const byte = joined[next++];
        size |= (byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      if (next === at || joined[next - 1] >= 0x80 || next + size > joined.length) break;
      yield joined.subarray(next, next + size);
      at = next + size;
    }
    this.bytes = joined.slice(at);
  }

  get empty(): boolean {
    return this.bytes.length === 0;
  }
}

export async function upscale(wishes: Wishes, events: Events, signal: AbortSignal): Promise<void> {
  const query = new URLSearchParams({ format: "tiles", sample_type: "u8", convert_to_srgb: "true", tile_size: "128" });
  if (wishes.model) query.set("model", wishes.model);
  if (wishes.factor !== undefined) query.set("scale", String(wishes.factor));
  if (wishes.width !== undefined) query.set("width", String(wishes.width));
  if (wishes.strength !== undefined) query.set("strength", String(wishes.strength));
  const response = await fetch(`v1/upscale?${query}`, {
    method: "POST", body: wishes.image, signal,
    headers: { "Content-Type": "application/octet-stream", ...authorization(wishes.token) },
  });
  if (!response.ok) throw new Error(await explain(response));
  const messages = new Messages();
  const reader = response.body!.getReader();
  let done = false;
  for (;;) {
    const part = await reader.read();
    if (part.done) break;
    for (const bytes of messages.push(part.value)) {
      const message = fromBinary(UpscaleResponseSchema, bytes);
      if (message.part.case === "header") events.header(message.part.value);
      if (message.part.case === "tile") events.tile(message.part.value);
      if (message.part.case === "trailer") {
        events.trailer(message.part.value);
        done = true;
      }
    }
  }
  if (!done) throw new Error("the answer broke off; try again");
}
