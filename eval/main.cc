// hiif-eval: proves checkpoints and backends.
#include <cstdio>
#include <string>
#include <thread>

#include "eval/commands.h"
#include "model/upscaler/factory.h"

namespace {

struct Command {
  const char* name;
  const char* what;
  int (*run)(const hiif::eval::Arguments&);
};

constexpr Command kCommands[] = {
    {"parity", "compare with recorded cases of the reference implementation", hiif::eval::Parity},
    {"psnr", "PSNR and SSIM of a model on data sets", hiif::eval::PsnrTable},
    {"report", "a table of models beside the paper's numbers", hiif::eval::Report},
    {"ablation", "a table of the paper's variants", hiif::eval::AblationTable},
    {"complexity", "parameters, multiply-adds, time and memory of models", hiif::eval::Complexity},
    {"compare", "a picture sheet: bicubic, models, original", hiif::eval::Compare},
    {"footprint", "memory of a request, as the model says and as measured", hiif::eval::Footprint},
    {"speed", "output pixels a second and peak memory", hiif::eval::Speed},
};

int Usage(FILE* out) {
  std::fprintf(out, "usage: hiif-eval COMMAND ARGUMENTS...\n\n");
  for (const Command& command : kCommands)
    std::fprintf(out, "  %-12s %s\n", command.name, command.what);
  std::fprintf(out, "\nhiif-eval COMMAND --help tells more.\n");
  return out == stdout ? 0 : 2;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "";
  if (name == "--help" || name == "-h") return Usage(stdout);
  for (const Command& command : kCommands) {
    if (name != command.name) continue;
    hiif::SetIntraOpThreads(static_cast<int>(std::max(1u, std::thread::hardware_concurrency())));
    return command.run({argv + 2, argv + argc});
  }
  if (!name.empty()) std::fprintf(stderr, "hiif-eval: no command is called %s\n", name.c_str());
  return Usage(stderr);
}
