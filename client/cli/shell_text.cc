#include "client/cli/shell_text.h"

#include <vector>

#include "CLI/App.hpp"
#include "CLI/Config.hpp"
#include "CLI/Formatter.hpp"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "client/cli/option_walk.h"

namespace hiif::cli {
namespace {

using Commands = std::vector<CommandText>;

// "-s", "--scale".
std::vector<std::string> Spellings(const FlagText& flag) {
  std::vector<std::string> names;
  for (const std::string& name : flag.short_names) names.push_back(absl::StrCat("-", name));
  for (const std::string& name : flag.long_names) names.push_back(absl::StrCat("--", name));
  return names;
}

std::string NamesOf(const Commands& commands) {
  return absl::StrJoin(commands, " ", [](std::string* out, const CommandText& command) {
    out->append(command.name);
  });
}

std::string Bash(const Commands& commands) {
  std::string text = absl::StrFormat(
      "# bash completion of hiif\n"
      "_hiif() {\n"
      "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
      "  COMPREPLY=()\n"
      "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
      "    mapfile -t COMPREPLY < <(compgen -W \"%s --help --version\" -- \"$cur\")\n"
      "    return\n"
      "  fi\n"
      "  case \"${COMP_WORDS[1]}:$prev\" in\n",
      NamesOf(commands));
  std::string flags;
  for (const CommandText& command : commands) {
    std::vector<std::string> all;
    for (const FlagText& flag : command.flags) {
      std::vector<std::string> patterns;
      for (const std::string& name : Spellings(flag)) {
        all.push_back(name);
        patterns.push_back(absl::StrCat(command.name, ":", name));
      }
      if (!patterns.empty() && !flag.choices.empty()) {
        absl::StrAppendFormat(
            &text, "    %s) mapfile -t COMPREPLY < <(compgen -W \"%s\" -- \"$cur\"); return ;;\n",
            absl::StrJoin(patterns, "|"), absl::StrJoin(flag.choices, " "));
      } else if (!patterns.empty() && !flag.value.empty() && !flag.is_path) {
        absl::StrAppendFormat(&text, "    %s) return ;;\n", absl::StrJoin(patterns, "|"));
      } else if (patterns.empty() && !flag.choices.empty()) {
        absl::StrAppendFormat(
            &text,
            "    %s:%s) mapfile -t COMPREPLY < <(compgen -W \"%s\" -- \"$cur\"); return ;;\n",
            command.name, command.name, absl::StrJoin(flag.choices, " "));
      }
    }
    absl::StrAppendFormat(&flags, "    %s) flags=\"%s\" ;;\n", command.name,
                          absl::StrJoin(all, " "));
  }
  absl::StrAppend(&text,
                  "  esac\n"
                  "  if [[ $cur == -* ]]; then\n"
                  "    local flags=\n"
                  "    case \"${COMP_WORDS[1]}\" in\n",
                  absl::StrReplaceAll(flags, {{"    ", "      "}}),
                  "    esac\n"
                  "    mapfile -t COMPREPLY < <(compgen -W \"$flags\" -- \"$cur\")\n"
                  "  else\n"
                  "    compopt -o filenames\n"
                  "    mapfile -t COMPREPLY < <(compgen -f -- \"$cur\")\n"
                  "  fi\n"
                  "}\n"
                  "complete -F _hiif hiif\n");
  return text;
}

// For text inside '...' of an _arguments specification.
std::string ZshText(const std::string& text) {
  return absl::StrReplaceAll(text, {{"'", "'\\''"}, {"[", "\\["}, {"]", "\\]"}, {":", "\\:"}});
}

std::string ZshValue(const FlagText& flag) {
  if (flag.value.empty()) return "";
  std::string action = flag.is_path ? "_files" : " ";
  if (!flag.choices.empty()) action = absl::StrCat("(", absl::StrJoin(flag.choices, " "), ")");
  return absl::StrCat(":", ZshText(flag.value), ":", action);
}

std::string Zsh(const Commands& commands) {
  std::string text = "#compdef hiif\n_hiif() {\n  local -a commands=(\n";
  for (const CommandText& command : commands)
    absl::StrAppendFormat(&text, "    '%s:%s'\n", command.name, ZshText(command.help));
  absl::StrAppend(&text,
                  "  )\n"
                  "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
                  "  case $words[2] in\n");
  for (const CommandText& command : commands) {
    absl::StrAppendFormat(&text, "    %s)\n      (( CURRENT-- )); shift words\n      _arguments -s",
                          command.name);
    for (const FlagText& flag : command.flags) {
      for (const std::string& name : Spellings(flag))
        absl::StrAppendFormat(&text, " \\\n        '*%s[%s]%s'", name, ZshText(flag.help),
                              ZshValue(flag));
      if (!flag.positional.empty())
        absl::StrAppendFormat(&text, " \\\n        '*%s'", ZshValue(flag));
    }
    absl::StrAppend(&text, " ;;\n");
  }
  absl::StrAppend(&text,
                  "  esac\n}\nif [ \"$funcstack[1]\" = _hiif ]; then _hiif \"$@\"; else compdef "
                  "_hiif hiif; fi\n");
  return text;
}

std::string FishQuoted(const std::string& text) {
  return absl::StrCat("'", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

std::string Fish(const Commands& commands) {
  std::string text = "# fish completion of hiif\n";
  for (const CommandText& command : commands) {
    absl::StrAppendFormat(&text, "complete -c hiif -n __fish_use_subcommand -f -a %s -d %s\n",
                          command.name, FishQuoted(command.help));
    for (const FlagText& flag : command.flags) {
      absl::StrAppendFormat(&text, "complete -c hiif -n '__fish_seen_subcommand_from %s'",
                            command.name);
      for (const std::string& name : flag.short_names) absl::StrAppend(&text, " -s ", name);
      for (const std::string& name : flag.long_names) absl::StrAppend(&text, " -l ", name);
      if (Spellings(flag).empty() && !flag.is_path) absl::StrAppend(&text, " -f");
      if (!Spellings(flag).empty() && !flag.value.empty())
        absl::StrAppend(&text, flag.is_path ? " -r" : " -x");
      if (!flag.choices.empty())
        absl::StrAppend(&text, " -a ", FishQuoted(absl::StrJoin(flag.choices, " ")));
      absl::StrAppend(&text, " -d ", FishQuoted(flag.help), "\n");
    }
  }
  return text;
}

std::string Roff(const std::string& text) {
  return absl::StrReplaceAll(text, {{"\\", "\\e"}, {"-", "\\-"}, {"'", "\\(aq"}});
}

}  // namespace

absl::StatusOr<std::string> Completion(const CLI::App& app, const std::string& shell) {
  const Commands commands = CommandsOf(app);
  if (shell == "bash") return Bash(commands);
  if (shell == "zsh") return Zsh(commands);
  if (shell == "fish") return Fish(commands);
  return absl::InvalidArgumentError(
      absl::StrCat("\"", shell, "\" is none of the shells bash, zsh and fish"));
}

std::string ManPage(const CLI::App& app) {
  const Commands commands = CommandsOf(app);
  std::string text = absl::StrCat(".TH HIIF 1 \"\" \"", Roff(app.version()),
                                  "\" \"User Commands\"\n"
                                  ".SH NAME\n"
                                  "hiif \\- ",
                                  Roff(app.get_description()), "\n.SH SYNOPSIS\n");
  for (const CommandText& command : commands)
    absl::StrAppend(&text, ".B hiif ", Roff(command.name), "\n.RI [ options ]\n.br\n");
  absl::StrAppend(&text, ".SH COMMANDS\n");
  for (const CommandText& command : commands) {
    absl::StrAppend(&text, ".SS hiif ", Roff(command.name), "\n", Roff(command.help), ".\n");
    std::string group;
    for (const FlagText& flag : command.flags) {
      if (flag.group != group) {
        group = flag.group;
        absl::StrAppend(&text, ".P\n.I ", Roff(group), "\n");
      }
      std::vector<std::string> names = Spellings(flag);
      if (!flag.positional.empty()) names.insert(names.begin(), flag.positional);
      absl::StrAppend(&text, ".TP\n\\fB", Roff(absl::StrJoin(names, ", ")), "\\fR");
      if (!flag.value.empty()) absl::StrAppend(&text, " \\fI", Roff(flag.value), "\\fR");
      absl::StrAppend(&text, "\n", Roff(flag.help), ".\n");
      if (!flag.environment.empty())
        absl::StrAppend(&text, "Environment variable: ", flag.environment, ".\n");
    }
    if (!command.footer.empty()) absl::StrAppend(&text, ".P\n", Roff(command.footer), "\n");
  }
  const std::string footer = app.get_footer();
  absl::StrAppend(&text, ".SH EXAMPLES\n.nf\n",
                  Roff(footer.substr(std::min(footer.find('\n') + 1, footer.size()))), "\n.fi\n");
  return text;
}

}  // namespace hiif::cli
