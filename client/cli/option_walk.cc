#include "client/cli/option_walk.h"

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

namespace hiif::cli {
namespace {

FlagText TextOf(const CLI::Option& option) {
  FlagText flag;
  flag.short_names = option.get_snames();
  flag.long_names = option.get_lnames();
  flag.positional = option.get_name(/*positional=*/true, /*all_options=*/false);
  if (!option.get_positional()) flag.positional.clear();
  if (option.get_items_expected_max() > 0) flag.value = option.get_type_name();
  // Choices are written in small letters; "keep|print-size|N" has one that is not a word to type.
  if (absl::StrContains(flag.value, '|'))
    for (const absl::string_view choice : absl::StrSplit(flag.value, '|'))
      if (absl::ascii_islower(choice.front())) flag.choices.emplace_back(choice);
  flag.is_path = flag.value == "FILE" || flag.value == "DIR" || flag.value == "PATH";
  flag.help = option.get_description();
  flag.environment = option.get_envname();
  flag.group = option.get_group();
  return flag;
}

}  // namespace

std::vector<CommandText> CommandsOf(const CLI::App& app) {
  std::vector<CommandText> commands;
  for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
    CommandText text;
    text.name = command->get_name();
    text.help = command->get_description();
    text.footer = command->get_footer();
    for (const CLI::Option* option : command->get_options()) text.flags.push_back(TextOf(*option));
    commands.push_back(std::move(text));
  }
  return commands;
}

}  // namespace hiif::cli
