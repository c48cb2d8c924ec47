// Colour told by other means than a profile: code points (cICP, nclx), gamma and chromaticities.
// Internal to imaging.
#ifndef IMAGING_COLOUR_DESCRIPTION_H_
#define IMAGING_COLOUR_DESCRIPTION_H_

#include <array>
#include <optional>
#include <string>

namespace hiif {

// Code points of ITU-T H.273.
struct CodePoints {
  int primaries = 2;  // 2: not said
  int transfer = 2;
};

struct ColourDescription {
  bool srgb = false;                        // said to be so
  std::optional<CodePoints> code_points;    // goes before what is below
  double gamma = 0;                         // samples are light to this power; 0: not said
  std::array<double, 8> chromaticity = {};  // x and y of white, red, green, blue; 0: not said
  bool empty() const { return !srgb && !code_points && gamma == 0 && chromaticity[0] == 0; }
};

struct DescribedColour {
  std::string icc;      // empty: sRGB, or as good as that
  std::string warning;  // of a description that no profile can stand for
};

// The profile that says the same. grey: of one channel.
DescribedColour ProfileOf(const ColourDescription& description, bool grey);

}  // namespace hiif

#endif  // IMAGING_COLOUR_DESCRIPTION_H_
