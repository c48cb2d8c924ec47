// hiif-data: packs images for hiif-train; see docs/training.md.
#include <CLI/CLI.hpp>
#include <iostream>

#include "eval/data_commands.h"

int main(int argc, char** argv) {
  using namespace hiif::eval;  // NOLINT(google-build-using-namespace): three commands
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
    return app.exit(error) == 0 ? 0 : 2;
  }
  absl::Status status;
  if (pack_command->parsed()) status = Pack(pack, std::cerr);
  if (info_command->parsed()) status = Info(dataset, std::cout);
  if (resize_command->parsed()) status = Resize(input, output, width, height);
  if (status.ok()) return 0;
  std::cerr << "hiif-data: " << status.message() << "\n";
  return 1;
}
