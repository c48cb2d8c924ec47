// Where checkpoints are looked for when nobody names a folder.
#ifndef BASE_MODEL_FOLDER_H_
#define BASE_MODEL_FOLDER_H_

#include <string>

namespace hiif {

// The models installed with this program: PREFIX/share/hiif/models beside PREFIX/bin; in a build
// tree, which is build/PRESET/bin, the repository's. Empty: there are none.
std::string InstalledModels();

// "models" of the working directory; without that, InstalledModels(); without those, "models".
std::string DefaultModelFolder();

}  // namespace hiif

#endif  // BASE_MODEL_FOLDER_H_
