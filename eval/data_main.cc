// hiif-data: packs images for hiif-train; see docs/training.md. Exit statuses as hiif-train's.
#include <CLI/CLI.hpp>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "eval/data_commands.h"
#include "train/command.h"
#include "train/make_cache.h"

namespace {

std::atomic<bool> stopping = false;

void RequestStop(int signal) {
  stopping = true;
  std::signal(signal, SIG_DFL);  // a second one ends the process at once
}

int Run(int argc, char** argv) {
  using namespace hiif::eval;  // NOLINT(google-build-using-namespace): a few commands
  CLI::App app("Data sets for hiif-train.", "hiif-data");
  app.require_subcommand(1);

  PackOptions pack;
  CLI::App* const pack_command = app.add_subcommand("pack", "decode images into one file");
  pack_command->add_option("sources", pack.sources, "image files and folders")->required();
  pack_command->add_option("-o,--output", pack.output, "the packed data set")->required();
  pack_command->add_option("--hold-out", pack.hold_out, "a second data set, to validate on");
  pack_command->add_option("--every", pack.every, "one image of so many goes to --hold-out")
      ->capture_default_str();
  pack_command->add_option("--min-side", pack.min_side, "leave out smaller images, pixels")
      ->capture_default_str();
  pack_command
      ->add_option("--shrink", pack.shrink,
                   "make images so many times smaller first; 1,2: once for each")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->capture_default_str();

  hiif::train::MakeCacheOptions cache;
  CLI::App* const cache_command = app.add_subcommand(
      "cache", "keep latent codes and what teachers say, for hiif-train; stopped, it goes on");
  cache_command->add_option("-o,--output", cache.output, "the cache")->required();
  CLI::Option* const from = cache_command->add_option(
      "--from", cache.from, "take patches and outputs of this cache, with the codes of --encoder");
  cache_command
      ->add_option("data", cache.data, "a packed data set; none: --from, or patterns alone")
      ->excludes(from);
  cache_command->add_option("--encoder", cache.encoder, "checkpoint whose encoder's codes are kept")
      ->required();
  cache_command
      ->add_option("--teachers", cache.teachers,
                   "networks of one scale each (scripts/get-dat, "
                   "scripts/get-realesrgan)")
      ->delimiter(',')
      ->excludes(from);
  cache_command->add_option("--records", cache.records, "patches; with --from: all of its")
      ->default_str(std::to_string(hiif::train::kDefaultRecords));
  cache_command->add_option("--patch", cache.patch, "side of a patch, pixels")
      ->excludes(from)
      ->capture_default_str();
  cache_command->add_option("--patterns", cache.patterns, "part that is drawn: dither, text ...")
      ->excludes(from)
      ->capture_default_str();
  cache_command->add_option("--min-factor", cache.min_factor, "photographs are made smaller by")
      ->excludes(from)
      ->capture_default_str();
  cache_command->add_option("--max-factor", cache.max_factor, "at most")
      ->excludes(from)
      ->capture_default_str();
  cache_command
      ->add_option("--degrade", cache.degrade,
                   "part of the photographs that are damaged twice: blur, "
                   "other sizes, noise, JPEG")
      ->excludes(from)
      ->capture_default_str();
  cache_command
      ->add_option("--recolour", cache.recolour,
                   "part of the patches of --from whose channels are put in another order, half of "
                   "these negative too")
      ->needs(from)
      ->capture_default_str();
  cache_command->add_option("--seed", cache.seed, "of places, patterns and colours")
      ->capture_default_str();
  cache_command->add_option("--threads", cache.threads, "of each network")->capture_default_str();

  std::string dataset;
  CLI::App* const info_command = app.add_subcommand("info", "list and verify a packed data set");
  info_command->add_option("file", dataset, "the packed data set")->required();

  std::string input;
  std::string output;
  int64_t width = 0;
  int64_t height = 0;
  CLI::App* const resize_command =
      app.add_subcommand("resize", "resize one image as Pillow's BICUBIC does");
  resize_command->add_option("input", input, "an image file")->required();
  resize_command->add_option("output", output, "a PPM file")->required();
  resize_command->add_option("width", width, "pixels")->required();
  resize_command->add_option("height", height, "pixels")->required();

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? hiif::train::kExitFinished : hiif::train::kExitUsage;
  }
  absl::Status status;
  if (pack_command->parsed() || cache_command->parsed()) {
    std::signal(SIGINT, RequestStop);
    std::signal(SIGTERM, RequestStop);
  }
  if (pack_command->parsed()) status = Pack(pack, &stopping, std::cerr);
  if (cache_command->parsed()) {
    status = hiif::train::MakeCache(cache, &stopping,
                                    [](const std::string& line) { std::cerr << line << "\n"; });
  }
  if (info_command->parsed()) status = Info(dataset, std::cout);
  if (resize_command->parsed()) status = Resize(input, output, width, height);
  if (status.ok()) return hiif::train::kExitFinished;
  std::cerr << "hiif-data: " << status.message() << "\n";
  return absl::IsCancelled(status) ? hiif::train::kExitStopped : hiif::train::kExitFailed;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {  // of LibTorch, or no memory
    std::fprintf(stderr, "hiif-data: %s\n", error.what());
    return hiif::train::kExitFailed;
  }
}
