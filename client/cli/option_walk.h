// The table of commands and flags as plain values. Internal to client/cli.
#ifndef CLIENT_CLI_OPTION_WALK_H_
#define CLIENT_CLI_OPTION_WALK_H_

#include <string>
#include <vector>

namespace CLI {
class App;
}  // namespace CLI

namespace hiif::cli {

struct FlagText {
  std::vector<std::string> short_names;  // without "-"
  std::vector<std::string> long_names;   // without "--"
  std::string positional;                // or empty
  std::string value;                     // "FACTOR", "skip|overwrite"; empty: a switch
  std::vector<std::string> choices;      // of value, where it lists them
  bool is_path = false;                  // value names a file or folder
  std::string help;
  std::string environment;
  std::string group;
};

struct CommandText {
  std::string name;
  std::string help;
  std::string footer;
  std::vector<FlagText> flags;
};

// In the order of the table.
std::vector<CommandText> CommandsOf(const CLI::App& app);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_OPTION_WALK_H_
