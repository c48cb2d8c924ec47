// Bundles the page into one file that hiif-server holds, dist/index.html or the one named: script and style are in it,
// and a content security policy that allows these two, by their digests, and nothing from elsewhere.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { build } from "esbuild";

const read = (path) => readFileSync(path, "utf8");
const digest = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;

mkdirSync("gen", { recursive: true });
execFileSync("protoc", ["--plugin=protoc-gen-es=node_modules/.bin/protoc-gen-es", "--es_out=gen", "--es_opt=target=ts",
  "-I../proto", "hiif/v1/super_resolution.proto"], { stdio: "inherit" });

const options = { bundle: true, minify: true, write: false, target: "es2022", legalComments: "none", charset: "utf8" };
const script = (await build({ ...options, entryPoints: ["src/main.ts"], format: "iife" })).outputFiles[0].text.trim();
const style = (await build({ ...options, entryPoints: ["src/style.css"] })).outputFiles[0].text.trim();
if (script.includes("</script")) throw new Error("the script ends itself");

const policy = [
  "default-src 'none'", `script-src ${digest(script)}`, `style-src ${digest(style)}`, "img-src 'self' blob: data:",
  "connect-src 'self'", "base-uri 'none'", "form-action 'none'"].join("; ");
const page = read("src/index.html")
  .replace("<!-- policy -->", () => `<meta http-equiv="Content-Security-Policy" content="${policy}">`)
  .replace("<!-- style -->", () => `<style>${style}</style>`)
  .replace("<!-- script -->", () => `<script>${script}</script>`);
const out = process.argv[2] ?? "dist/index.html";
mkdirSync("dist", { recursive: true });
writeFileSync(out, page);
console.log(`${out}: ${(page.length / 1024).toFixed(0)} KiB`);
