// How a subcommand of hiif-eval is run: its arguments parsed, its error said.
#ifndef EVAL_COMMAND_LINE_H_
#define EVAL_COMMAND_LINE_H_

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "eval/commands.h"

namespace hiif::eval {

// Exit status: 0 all well, 1 the command's error, 2 usage.
inline int RunCommand(CLI::App* app, const Arguments& arguments,
                      const std::function<absl::Status()>& run) {
  try {
    Arguments reversed(arguments.rbegin(), arguments.rend());  // what CLI11 wants
    app->parse(reversed);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : 2;
  }
  const absl::Status status = run();
  if (status.ok()) return 0;
  std::fprintf(stderr, "%s: %s\n", app->get_name().c_str(), std::string(status.message()).c_str());
  return 1;
}

}  // namespace hiif::eval

#endif  // EVAL_COMMAND_LINE_H_
