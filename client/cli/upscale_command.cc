#include <cstdio>
#include <filesystem>
#include <set>
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
  std::string same_output_as;  // an input before this one; empty: none
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
std::vector<PlannedFile> Plan(std::vector<InputFile> inputs, const OutputNames& names,
                              bool rename) {
  std::vector<PlannedFile> planned;
  std::unordered_map<std::string, std::string> maker;  // output -> the input it is made from
  for (InputFile& input : inputs) {
    PlannedFile file{std::move(input), ""};
    const auto output = names.For(file.input);
    if (output.ok() && output->path != "-") {
      const auto [it, is_new] = maker.emplace(output->path, file.input.path);
      if (!is_new && !rename) file.same_output_as = it->second;
    }
    planned.push_back(std::move(file));
  }
  std::erase_if(planned, [&maker](const PlannedFile& file) {
    if (!file.input.found) return false;
    const std::string& path = file.input.path;
    if (const auto it = maker.find(path); it != maker.end()) return it->second != path;
    // Frames and renamed ones have a number. Only behind a name that says that it is an output:
    // "a-1.png" beside "a.gif" may be anybody's.
    for (std::string name = WithoutNumber(path); !name.empty(); name = WithoutNumber(name)) {
      const auto it = maker.find(name);
      if (it != maker.end() && fs::path(it->first).stem() != fs::path(it->second).stem())
        return true;
    }
    return false;
  });
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

void RemoveStale(const std::vector<PlannedFile>& files, const OutputNames& names) {
  // Of these files alone: other processes, on other machines even, may share the folders.
  std::set<std::string> folders;
  std::set<std::string> outputs;
  for (const PlannedFile& file : files) {
    const auto output = names.For(file.input);
    if (!output.ok() || output->path == "-") continue;
    const fs::path path = output->path;
    const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
    folders.insert(folder.string());
    outputs.insert((folder / path.filename()).string());
  }
  if (outputs.empty()) return;
  for (const std::string& folder : folders) RemoveStaleTemporaries(folder, outputs);
}

// Whether a server is needed at all.
bool AnyToDo(const std::vector<PlannedFile>& files, const OutputNames& names, Exists exists,
             bool resume) {
  if (!resume && exists != Exists::kSkip) return true;
  ExistsPolicy policy(exists, resume);
  for (const PlannedFile& file : files) {
    const auto output = names.For(file.input);
    if (!output.ok() || output->path == "-" || file.input.path == "-") return true;
    const auto decision = policy.Decide(file.input.path, output->path);
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
  std::vector<std::string> left_out;
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
  std::vector<PlannedFile> files = Plan(std::move(expanded), names, rename);
  HIIF_ASSIGN_OR_RETURN(files, Shard(std::move(files), flags.shard));
  return Checked{std::move(sizing), std::move(names),   exists, metadata, jobs,
                 std::move(files),  std::move(left_out)};
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
  if (flags.resume && !flags.dry_run) RemoveStale(files, checked->names);

  std::unique_ptr<Connection> connection;
  const bool work = AnyToDo(files, checked->names, checked->exists, flags.resume);
  if (work && !flags.dry_run) {
    auto opened = Connection::Open(flags.connection, interrupt.token(), flags.model);
    if (interrupt.exit_code() != 0) return interrupt.exit_code();
    if (!opened.ok()) return Fail("upscale", opened.status(), flags.log);
    connection = *std::move(opened);
  }

  Reporter reporter(flags.log, count);
  reporter.LeftOut(checked->left_out);
  ExistsPolicy exists(checked->exists, flags.resume);
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
  return reporter.failed() > 0 ? kExitSomeFailed : kExitOk;
}

}  // namespace hiif::cli
