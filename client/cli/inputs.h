// Which files a command works on.
#ifndef CLIENT_CLI_INPUTS_H_
#define CLIENT_CLI_INPUTS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace hiif::cli {

struct InputFile {
  std::string path;  // "-": standard input
  std::string
      relative;        // below the folder that was named; the file's name where it was named itself
  bool found = false;  // in a folder, not named
};

struct InputOptions {
  bool recursive = false;
  // Folder of the outputs: not searched, where it lies in a folder of inputs.
  std::string output_folder;
};

// Names as they were given, in that order: a file, "-", a folder (the image files in it by name,
// those of its folders too where recursive; hidden ones left out), a glob pattern, or "@LIST" for a
// file of names, one a line. Each file once. A file that does not exist is kept: it fails by
// itself. InvalidArgument: a folder or list that cannot be read, a pattern without a match, nothing
// at all.
absl::StatusOr<std::vector<InputFile>> ExpandInputs(const std::vector<std::string>& names,
                                                    const InputOptions& options);

// Whether a name stands for several files: a folder, a pattern or a list.
bool NamesSeveral(const std::string& name);

}  // namespace hiif::cli

#endif  // CLIENT_CLI_INPUTS_H_
