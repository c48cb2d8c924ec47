// The table of commands and flags: parsing, help, man page and completion all come from it.
#ifndef CLIENT_CLI_COMMAND_LINE_H_
#define CLIENT_CLI_COMMAND_LINE_H_

#include <memory>
#include <string>
#include <vector>

#include "client/cli/flags.h"

namespace CLI {
class App;
}  // namespace CLI

namespace hiif::cli {

// Where the flags of every command go.
struct CommandFlags {
  UpscaleFlags upscale;
  ModelsFlags models;
  HealthFlags health;
  QueryFlags query;
  BenchFlags bench;
  CompareFlags compare;
  std::string shell;  // of `completion`
};

// The table; it writes into flags, which must outlive it.
std::unique_ptr<CLI::App> MakeCommandLine(CommandFlags* flags);

// Parses the words behind the program's name. Each is one value, "[Scans]" too. Throws
// CLI::ParseError.
void ParseWords(CLI::App* app, std::vector<std::string> words);

// Parses and runs the command. Returns the exit code.
int RunCommandLine(int argc, char** argv);

// The closest of the known words, when it is close; else empty.
std::string Suggestion(const std::string& word, const std::vector<std::string>& known);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_COMMAND_LINE_H_
