// Which files a command works on.
#ifndef CLIENT_CLI_INPUTS_H_
#define CLIENT_CLI_INPUTS_H_

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "imaging/format.h"

namespace hiif::cli {

struct InputFile {
  std::string path;  // "-": standard input
  std::string
      relative;        // below the folder that was named; the file's name where it was named itself
  bool found = false;  // in a folder, not named
  // In a folder, and known by its first bytes alone.
  std::optional<ImageFormat> content = std::nullopt;
  // Why it is none: a folder or list that cannot be read, a pattern without a match.
  std::string problem = {};
};

struct InputOptions {
  bool recursive = false;
  // Folder of the outputs: not searched, where it lies in a folder of inputs.
  std::string output_folder;
  // Where not null: gets the files of folders that are no images of a known format.
  std::vector<std::string>* left_out = nullptr;
  // Ends the wait for a list that comes through a pipe.
  std::stop_token stop = {};
};

// Names as they were given, in that order: a file, "-", a folder (the image files in it by name,
// those of its folders too where recursive), a glob pattern, or "@LIST" for a file of names in
// UTF-8, one a line. In folders, files are images by their extension or else by their first bytes;
// hidden ones, what is no regular file, what storage systems keep for themselves (@eaDir,
// lost+found, ...) and temporaries of outputs, of other processes or of killed ones, are left out.
// A name that begins with @ and is there itself is no list. Each file once. What cannot be read is
// kept with its problem, or fails by itself: the rest is made. InvalidArgument: nothing at all.
absl::StatusOr<std::vector<InputFile>> ExpandInputs(const std::vector<std::string>& names,
                                                    const InputOptions& options);

// Whether a name stands for several files: a folder, a pattern or a list.
bool NamesSeveral(const std::string& name);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_INPUTS_H_
