#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "client/cli/command_line.h"

namespace hiif::cli {
namespace {

constexpr char kServerGroup[] = "Server";
constexpr char kSizeGroup[] = "Size (one way; default --scale 4)";
constexpr char kFilesGroup[] = "Files";
constexpr char kPixelsGroup[] = "Pixels";
constexpr char kRunGroup[] = "Running";

// Behind a word that ends with "]", which CLI11 may take for the end of a list else. No word of a
// command line has it.
constexpr char kNoList = '\0';

// A flag with a value. type: what the help shows for it; alternatives by "|" are offered by
// completion.
template <typename T>
CLI::Option* Value(CLI::App* app, const char* names, T& target, const char* help, const char* type,
                   const char* group) {
  return app->add_option(names, target, help)
      ->type_name(type)
      ->group(group)
      ->transform([](std::string word) {
        if (!word.empty() && word.back() == kNoList) word.pop_back();
        return word;
      });
}

// A check that does not show in the help.
template <typename Check>
CLI::Validator Silent(Check check) {
  check.description("");
  return check;
}

void Switch(CLI::App* app, const char* names, bool& target, const char* help, const char* group) {
  app->add_flag(names, target, help)->group(group);
}

void AddConnection(CLI::App* app, ConnectionFlags& f) {
  const char* g = kServerGroup;
  Value(
      app, "--server", f.server,
      "host:port, unix:PATH, or several by commas; without it a private hiif-server is started and "
      "stopped",
      "ADDRESS", g)
      ->envname("HIIF_SERVER");
  Value(app, "-m,--model-dir", f.model_dir, "models of the private server", "DIR", g);
  Value(app, "-g,--gpu-id", f.device, "device of the private server: -1 or cpu, 0 or cuda:0, ...",
        "DEVICE", g);
  Switch(app, "--tls", f.tls, "encrypt, trusting the system's certificate authorities", g);
  Value(app, "--tls-ca", f.tls_ca, "trust the authorities of this PEM file", "FILE", g);
  Value(app, "--tls-cert", f.tls_cert, "client certificate (PEM), for mutual TLS", "FILE", g);
  Value(app, "--tls-key", f.tls_key, "its key (PEM)", "FILE", g);
  Value(app, "--tls-server-name", f.tls_server_name, "name in the server's certificate", "NAME", g);
  Value(app, "--token-file", f.token_file, "bearer token (or HIIF_TOKEN in the environment)",
        "FILE", g);
  Switch(app, "--insecure-token", f.insecure_token, "send the token to other machines without TLS",
         g);
  Value(app, "--connect-timeout", f.connect_timeout_s, "until a server must answer (5)", "SECONDS",
        g)
      ->check(Silent(CLI::NonNegativeNumber));
  Value(app, "--timeout", f.timeout_s, "of a request with its retries (0: none)", "SECONDS", g)
      ->check(Silent(CLI::NonNegativeNumber));
  Value(app, "--stall-timeout", f.stall_timeout_s,
        "of a server that is silent: another attempt after it (3600; 0: none)", "SECONDS", g)
      ->check(Silent(CLI::NonNegativeNumber));
  Value(app, "--retries", f.retries, "in a row, of a request that breaks (7)", "N", g)
      ->check(Silent(CLI::Range(0, 1000)));
}

void AddSize(CLI::App* app, SizeFlags& f) {
  const char* g = kSizeGroup;
  Value(app, "-s,--scale", f.scale, "factor of 1 to 32, e.g. 2.7", "FACTOR", g);
  Value(app, "--scale-x", f.scale_x, "horizontal factor, with --scale-y", "FACTOR", g);
  Value(app, "--scale-y", f.scale_y, "vertical factor", "FACTOR", g);
  Value(app, "-W,--width", f.width, "width of the output", "PIXELS", g);
  Value(app, "-H,--height", f.height, "height of the output; with -W the largest that fits inside",
        "PIXELS", g);
  Switch(app, "--stretch", f.stretch, "exactly -W by -H, whatever the aspect ratio", g);
  Value(app, "--megapixels", f.megapixels, "millions of pixels of the output", "N", g);
  Value(app, "--long-side", f.long_side, "longer side of the output", "PIXELS", g);
  Value(app, "--crop", f.crop, "enlarge this part of the input only", "X,Y,W,H", g);
}

void AddFiles(CLI::App* app, UpscaleFlags& f) {
  const char* g = kFilesGroup;
  Value(app, "INPUT,-i,--input", f.inputs,
        "image, folder, \"pattern\", @list (names, one a line), or - for standard input", "FILE",
        g);
  Value(app, "-o,--output", f.output,
        "image, - for standard output, or for several inputs a folder; default: beside the input",
        "PATH", g);
  Value(app, "-f,--format", f.format, "format of the outputs; default: by -o, else as the input",
        "png|jpg|webp|tif|avif|jxl|ppm|gif", g);
  Switch(app, "-r,--recursive", f.recursive, "folders of folders too; their layout is kept", g);
  Value(app, "--list", f.lists, "file of input names, one a line; as @FILE", "FILE", g);
  Value(app, "--name", f.name, "names of outputs in folders ({stem}_{scale}.{ext})", "TEMPLATE", g);
  Value(app, "--exists", f.exists, "where an output is there already (error)",
        "skip|overwrite|error|rename", g);
  Switch(app, "--resume", f.resume, "go on after an interrupted run: what is finished stays", g);
  Value(app, "--shard", f.shard, "share I of N processes: every N-th input, I from 0", "I/N", g);
  Switch(app, "--all-frames", f.all_frames, "one output for each frame of an animation or page", g);
  Switch(
      app, "--animation", f.animation,
      "an animation stays one, its timing kept (WebP, PNG, GIF; a GIF becomes a WebP unless named)",
      g);
  Switch(app, "--y4m", f.y4m, "video: frames of a YUV4MPEG2 stream, in order", g);
  Switch(app, "--dry-run", f.dry_run, "only say what would be done", g);
}

void AddPixels(CLI::App* app, UpscaleFlags& f) {
  const char* g = kPixelsGroup;
  Value(app, "-n,--model", f.model, "model by name; hiif models lists them", "MODEL", g);
  Value(app, "--model-version", f.model_version, "only this version of it", "VERSION", g);
  Switch(app, "-x,--self-ensemble", f.self_ensemble,
         "mean over 8 flips: a little better, 8 times the time", g);
  Value(app, "--strength", f.strength,
        "of models for photographs: 0 faithful to 1 sharp (1); between them twice the time", "N", g)
      ->check(Silent(CLI::Range(0.0, 1.0)));
  Value(app, "--quality", f.quality, "1 to 100 (JPEG 95, WebP lossless, AVIF 80)", "N", g)
      ->check(Silent(CLI::Range(1, 100)));
  Switch(app, "--srgb", f.srgb, "convert to sRGB by the embedded profile, else it is kept", g);
  Switch(app, "--strip", f.strip, "drop EXIF, XMP and IPTC", g);
  Switch(app, "--clip", f.clip, "clip floating-point samples to [0,1], else they are refused", g);
  Value(app, "--ppi", f.ppi, "pixels per inch of the output (keep)", "keep|print-size|N", g);
}

void AddRunning(CLI::App* app, UpscaleFlags& f) {
  const char* g = kRunGroup;
  Value(app, "-j,--jobs", f.jobs, "requests at a time (2, with --server 4); or load:proc:save", "N",
        g);
  Value(app, "-t,--tile-size", f.tile_size,
        "side of the tiles, 16 to 4096 (0: the server's choice)", "PIXELS", g);
  Value(app, "--priority", f.priority, "-10 (background) to 10 (interactive)", "N", g)
      ->check(Silent(CLI::Range(-10, 10)));
  Value(app, "--log-format", f.log.format, "of the lines on standard error (text)", "text|json", g)
      ->check(Silent(CLI::IsMember({"text", "json"})));
  Switch(app, "-q,--quiet", f.log.quiet, "only failures and warnings", g);
  Switch(app, "-v,--verbose", f.log.verbose, "retries too, and a line a file on a terminal", g);
}

CLI::App* Command(CLI::App* app, const char* name, const char* help, const char* footer) {
  CLI::App* command = app->add_subcommand(name, help);
  command->footer(footer);
  command->get_formatter()->column_width(30);
  return command;
}

}  // namespace

std::unique_ptr<CLI::App> MakeCommandLine(CommandFlags* flags) {
  auto app = std::make_unique<CLI::App>("Enlarges images by any factor with HIIF.", "hiif");
  app->set_version_flag("--version", "hiif " HIIF_VERSION);
  app->require_subcommand(1);
  app->get_formatter()->column_width(16);
  app->footer(
      "Examples:\n"
      "  hiif upscale photo.jpg -o large.png --scale 2.7\n"
      "  hiif upscale scans/ -r -o large/ -W 3840 -H 2160 --resume\n"
      "  curl -s https://example.org/map.png | hiif upscale - -o - --server gpu:7443 > map.png");

  CLI::App* upscale =
      Command(app.get(), "upscale", "enlarge images",
              "Exit status: 0 all well, 1 some failed, 2 usage, 3 no server, 129, 130 "
              "and 143 interrupted.");
  AddFiles(upscale, flags->upscale);
  AddSize(upscale, flags->upscale.size);
  AddPixels(upscale, flags->upscale);
  AddRunning(upscale, flags->upscale);
  AddConnection(upscale, flags->upscale.connection);

  CLI::App* models = Command(app.get(), "models", "list the models of a server", "");
  Value(models, "NAME", flags->models.name, "only this one, with what its checkpoint says", "MODEL",
        kRunGroup);
  Switch(models, "--json", flags->models.json, "JSON instead of a table", kRunGroup);
  AddConnection(models, flags->models.connection);

  CLI::App* health = Command(app.get(), "health", "ask a server whether it serves",
                             "Exit status: 0 serving, 1 not serving, 3 no server.");
  Value(health, "SERVICE", flags->health.service, "a service or model; default: the whole server",
        "NAME", kRunGroup);
  AddConnection(health, flags->health.connection);

  CLI::App* query = Command(app.get(), "query", "colours at any position of an image",
                            "Prints position, red, green and blue (0 to 1), separated by tabs.");
  Value(query, "IMAGE", flags->query.input, "an image file", "FILE", kRunGroup)->required();
  Value(query, "POSITION", flags->query.positions,
        "positions in pixels of the image, 0,0 its corner; without any, from standard input", "X,Y",
        kRunGroup);
  Value(query, "-s,--scale", flags->query.scale,
        "as an enlargement by this factor would see it (4)", "FACTOR", kRunGroup);
  Value(query, "-n,--model", flags->query.model, "model by name", "MODEL", kRunGroup);
  AddConnection(query, flags->query.connection);

  CLI::App* compare =
      Command(app.get(), "compare", "a sheet of bicubic and models side by side", "");
  Value(compare, "IMAGE", flags->compare.input, "an image file", "FILE", kRunGroup)->required();
  Value(compare, "-o,--output", flags->compare.output, "a PNG (comparison.png)", "FILE", kRunGroup);
  Value(compare, "-s,--scale", flags->compare.scale, "factor of 1 to 32 (4)", "FACTOR", kRunGroup);
  Value(compare, "--crop", flags->compare.crop, "part of the image (96 x 96 of its middle)",
        "X,Y,W,H", kRunGroup);
  Value(compare, "-n,--model", flags->compare.models, "models by name (all)", "MODEL", kRunGroup)
      ->delimiter(',');
  AddConnection(compare, flags->compare.connection);

  CLI::App* bench = Command(app.get(), "bench", "measure a server under load", "");
  Value(bench, "IMAGE", flags->bench.inputs, "image files, sent in turn", "FILE", kRunGroup)
      ->required();
  Value(bench, "-s,--scale", flags->bench.scale, "factor of 1 to 32 (2)", "FACTOR", kRunGroup);
  Value(bench, "-n,--model", flags->bench.model, "model by name", "MODEL", kRunGroup);
  Value(bench, "--clients", flags->bench.clients, "closed loop: so many, one request each (4)", "N",
        kRunGroup);
  Value(bench, "--rate", flags->bench.rate, "open loop: requests a second, whatever comes back",
        "N", kRunGroup);
  Value(bench, "--duration", flags->bench.seconds, "of sending (10)", "SECONDS", kRunGroup);
  Switch(bench, "--json", flags->bench.json, "JSON instead of a table", kRunGroup);
  AddConnection(bench, flags->bench.connection);

  CLI::App* completion =
      Command(app.get(), "completion", "print the completion of a shell, to be sourced", "");
  Value(completion, "SHELL", flags->shell, "which shell", "bash|zsh|fish", kRunGroup)->required();
  Command(app.get(), "man", "print the manual page (hiif man | man -l -)", "");

  return app;
}

void ParseWords(CLI::App* app, std::vector<std::string> words) {
  for (std::string& word : words)
    if (!word.empty() && word.back() == ']') word.push_back(kNoList);
  std::reverse(words.begin(), words.end());
  app->parse(std::move(words));
}

}  // namespace hiif::cli
