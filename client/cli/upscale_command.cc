#include <cstdio>
#include <filesystem>
#include <stop_token>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "client/cli/batch.h"
#include "client/cli/commands.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/upscale_file.h"
#include "client/cli/video.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;
using Outcome = FileResult::Outcome;

// Two hide reading and writing behind the computing; more keep several servers busy.
constexpr int kPrivateJobs = 2;
constexpr int kRemoteJobs = 4;
constexpr int64_t kMaxJobs = 256;

struct PlannedFile {
  InputFile input;
  std::string file = {};            // FileOf() it
  std::string output = {};          // its name; empty: none, or standard output
  std::string same_output_as = {};  // an input before this one; empty: none
  bool replaces_itself = false;     // its output is the file itself
};

struct Planned {
  std::vector<PlannedFile> files;
  std::vector<std::string> passed_over;  // outputs of runs before
};

// "N", or "load:proc:save" where proc, which may be a list for several devices, is what counts
// here.
absl::StatusOr<int> ParseJobs(const std::string& text, int standard) {
  if (text.empty()) return standard;
  const std::vector<std::string> parts = absl::StrSplit(text, ':');
  int64_t jobs = 0;
  bool valid = parts.size() == 1 || parts.size() == 3;
  if (valid) {
    for (const absl::string_view word : absl::StrSplit(parts[parts.size() / 2], ',')) {
      int64_t number = 0;
      valid = valid && absl::SimpleAtoi(word, &number) && number >= 1 && number <= kMaxJobs;
      jobs += number;
    }
  }
  if (valid && jobs <= kMaxJobs) return static_cast<int>(jobs);
  return absl::InvalidArgumentError(absl::StrCat(
      "--jobs: \"", text, "\" is neither a number of 1 to ", kMaxJobs, " nor load:proc:save"));
}

absl::StatusOr<Exists> ExistsOf(const UpscaleFlags& flags) {
  if (flags.resume && flags.exists != "error")
    return absl::InvalidArgumentError(
        "--resume says what happens to existing outputs: no --exists");
  return ParseExists(flags.exists);
}

// Outputs of a run before, lying among the inputs, are no inputs; two inputs never share an output.
Planned Plan(std::vector<InputFile> inputs, const OutputNames& names, bool rename) {
  struct Maker {
    std::string input;
    bool another_stem;  // the output's name says that it is one
  };
  std::vector<PlannedFile> files;
  std::unordered_map<std::string, Maker> makers;  // of outputs, by FileOf() them
  for (InputFile& input : inputs) {
    PlannedFile file{.input = std::move(input)};
    if (file.input.path != "-") file.file = FileOf(file.input.path);
    const auto output = names.For(file.input);
    if (output.ok() && output->path != "-") {
      file.output = output->path;
      const std::string made = FileOf(file.output);
      file.replaces_itself = made == file.file;
      const bool another_stem = fs::path(file.output).stem() != fs::path(file.input.path).stem();
      const auto [it, is_new] = makers.emplace(made, Maker{file.input.path, another_stem});
      if (!is_new && !rename) file.same_output_as = it->second.input;
    }
    files.push_back(std::move(file));
  }
  const auto is_output = [&makers](const PlannedFile& file) {
    if (!file.input.found || file.replaces_itself) return false;
    if (makers.contains(file.file)) return true;
    // Frames and renamed ones have a number. Only behind a name that says that it is an output:
    // "a-1.png" beside "a.gif" may be anybody's.
    for (std::string name = WithoutNumber(file.input.path); !name.empty();
         name = WithoutNumber(name)) {
      const auto it = makers.find(FileOf(name));
      if (it != makers.end() && it->second.another_stem) return true;
    }
    return false;
  };
  Planned planned;
  for (PlannedFile& file : files) {
    if (is_output(file)) {
      planned.passed_over.push_back(std::move(file.input.path));
    } else {
      planned.files.push_back(std::move(file));
    }
  }
  return planned;
}

// The share of one process of several: "I/N", every N-th file beginning with number I, from 0.
absl::StatusOr<std::vector<PlannedFile>> Shard(std::vector<PlannedFile> files,
                                               const std::string& text) {
  if (text.empty()) return files;
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  int64_t index = 0;
  int64_t count = 0;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &index) ||
      !absl::SimpleAtoi(parts[1], &count) || index < 0 || index >= count)
    return absl::InvalidArgumentError(
        absl::StrCat("--shard: \"", text, "\" is not I/N with I of 0 to N - 1"));
  std::vector<PlannedFile> mine;
  for (size_t i = index; i < files.size(); i += count) mine.push_back(std::move(files[i]));
  return mine;
}

std::vector<StaleTemporary> StaleOf(const std::vector<PlannedFile>& files) {
  std::vector<std::string> outputs;
  for (const PlannedFile& file : files) outputs.push_back(file.output);
  return FindStaleTemporaries(outputs);
}

void Remove(const StaleTemporary& temporary) {
  std::error_code error;
  fs::remove(temporary.path, error);
}

// Whether there is an output that it may be the whole of: one that is written through (hard links,
// for example) is copied over, and a killed run may have left a part. It says so until the output
// is made again.
bool IsBesideItsOutput(const StaleTemporary& temporary, const std::vector<PlannedFile>& files) {
  std::error_code error;
  return fs::exists(temporary.place, error) ||
         fs::exists(files[temporary.output].output, error);  // a long name is cut
}

// Whether a server is needed at all.
bool AnyToDo(const std::vector<PlannedFile>& files, Exists exists, const UpscaleFlags& flags,
             const RunFiles& known) {
  const bool resume = flags.resume;
  // The names of frames are known once the file is read.
  if ((!resume && exists != Exists::kSkip) || flags.all_frames) return true;
  ExistsPolicy policy(exists, resume, known);
  for (const PlannedFile& file : files) {
    if (file.output.empty() || file.input.path == "-") return true;
    const auto decision = policy.Decide(file.input.path, file.output);
    if (!decision.ok() || decision->write) return true;
  }
  return false;
}

struct Checked {
  Sizing sizing;
  OutputNames names;
  Exists exists;
  MetadataOptions metadata;
  int jobs;
  std::vector<PlannedFile> files;
  std::vector<std::string> passed_over;
  std::vector<std::string> left_out;
  RunFiles known;
};

absl::StatusOr<Checked> Check(const UpscaleFlags& flags, std::stop_token stop) {
  HIIF_ASSIGN_OR_RETURN(Sizing sizing, Sizing::Create(flags.size));
  HIIF_ASSIGN_OR_RETURN(const Exists exists, ExistsOf(flags));
  HIIF_ASSIGN_OR_RETURN(const MetadataOptions metadata, ParseMetadataOptions(flags));
  HIIF_ASSIGN_OR_RETURN(
      const int jobs,
      ParseJobs(flags.jobs, flags.connection.server.empty() ? kPrivateJobs : kRemoteJobs));
  std::vector<std::string> inputs = flags.inputs;
  for (const std::string& list : flags.lists) inputs.push_back(absl::StrCat("@", list));
  if (inputs.empty()) return absl::InvalidArgumentError("no input is named");
  if (flags.animation && flags.all_frames)
    return absl::InvalidArgumentError(
        "--animation makes one file of all frames, --all-frames a file of each: choose one");
  bool several = inputs.size() > 1;
  for (const std::string& name : inputs) several = several || NamesSeveral(name);
  HIIF_ASSIGN_OR_RETURN(OutputNames names, OutputNames::Create({.output = flags.output,
                                                                .format = flags.format,
                                                                .name = flags.name,
                                                                .label = sizing.Label(),
                                                                .several = several,
                                                                .animation = flags.animation}));
  std::vector<std::string> left_out;
  HIIF_ASSIGN_OR_RETURN(std::vector<InputFile> expanded,
                        ExpandInputs(inputs, {flags.recursive, names.folder(), &left_out, stop}));
  // Of several processes none knows which names the others take.
  const bool rename = exists == Exists::kRename && flags.shard.empty();
  Planned planned = Plan(std::move(expanded), names, rename);
  RunFiles known;
  for (const PlannedFile& file : planned.files)
    if (!file.file.empty()) known.inputs.emplace(file.file, file.input.path);
  HIIF_ASSIGN_OR_RETURN(std::vector<PlannedFile> files,
                        Shard(std::move(planned.files), flags.shard));
  return Checked{.sizing = std::move(sizing),
                 .names = std::move(names),
                 .exists = exists,
                 .metadata = metadata,
                 .jobs = jobs,
                 .files = std::move(files),
                 .passed_over = std::move(planned.passed_over),
                 .left_out = std::move(left_out),
                 .known = std::move(known)};
}

}  // namespace

int RunUpscale(const UpscaleFlags& flags, const Interrupt& interrupt) {
  if (flags.y4m) {
    const auto jobs =
        ParseJobs(flags.jobs, flags.connection.server.empty() ? kPrivateJobs : kRemoteJobs);
    return jobs.ok() ? RunVideo(flags, *jobs, interrupt)
                     : Fail("upscale", jobs.status(), flags.log);
  }
  absl::StatusOr<Checked> checked = Check(flags, interrupt.token());
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!checked.ok()) return Fail("upscale", checked.status(), flags.log);
  const std::vector<PlannedFile>& files = checked->files;
  const int64_t count = static_cast<int64_t>(files.size());
  std::vector<StaleTemporary> stale;
  if (flags.resume) {
    stale = StaleOf(files);
    for (const StaleTemporary& temporary : stale) {
      checked->known.half_made.insert(temporary.place);
      if (!flags.dry_run && !IsBesideItsOutput(temporary, files)) Remove(temporary);
    }
  }

  std::unique_ptr<Connection> connection;
  const bool work = AnyToDo(files, checked->exists, flags, checked->known);
  if (work && !flags.dry_run) {
    auto opened = Connection::Open(flags.connection, interrupt.token(), flags.model);
    if (interrupt.exit_code() != 0) return interrupt.exit_code();
    if (!opened.ok()) return Fail("upscale", opened.status(), flags.log);
    connection = *std::move(opened);
  }

  Reporter reporter(flags.log, count);
  reporter.LeftOut(checked->left_out);
  reporter.PassedOver(checked->passed_over);
  ExistsPolicy exists(checked->exists, flags.resume, std::move(checked->known));
  const UpscaleJob job{.flags = &flags,
                       .sizing = &checked->sizing,
                       .names = &checked->names,
                       .exists = &exists,
                       .metadata = checked->metadata,
                       .connection = connection.get(),
                       .reporter = &reporter,
                       // All together as many requests as without animations.
                       .frames_at_a_time = count == 1 ? checked->jobs : 1,
                       .stop = interrupt.token()};
  // No server any more: the files that are left are not tried one by one.
  std::stop_source unreachable;
  const std::stop_callback interrupted(interrupt.token(), [&] { unreachable.request_stop(); });
  std::atomic<bool> lost = false;
  RunInOrder(
      count, checked->jobs, unreachable.get_token(),
      [&](int64_t i) {
        FileResult result;
        result.input = files[i].input.path;
        if (!files[i].same_output_as.empty()) {
          result.outcome = Outcome::kFailed;
          result.status = SameOutputAs(files[i].same_output_as);
        } else {
          result = UpscaleFile(job, i, files[i].input);
        }
        if (result.outcome == Outcome::kDone)
          for (const StaleTemporary& temporary : stale)
            if (temporary.output == static_cast<size_t>(i)) Remove(temporary);
        if (absl::IsUnavailable(result.status)) {
          result.status = connection->Explain(result.status);
          lost = true;
          unreachable.request_stop();
        }
        reporter.Done(i, std::move(result));
      },
      [&](int64_t i) {
        FileResult result;
        result.input = files[i].input.path;
        reporter.Done(i, std::move(result));
      });
  reporter.Summary();
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (lost) return kExitUnreachable;
  return reporter.failed() + reporter.not_tried() > 0 ? kExitSomeFailed : kExitOk;
}

}  // namespace hiif::cli
