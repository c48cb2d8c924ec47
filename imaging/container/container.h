// What a file says beside its pixels, read by ourselves in a pass over its structure: metadata,
// colour, frames, what would cost a decoder more than the picture is worth. The decoder gets what
// it needs and nothing else. Internal to imaging.
#ifndef IMAGING_CONTAINER_CONTAINER_H_
#define IMAGING_CONTAINER_CONTAINER_H_

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "imaging/colour_description.h"
#include "imaging/format.h"
#include "imaging/metadata.h"
#include "imaging/probe.h"

namespace hiif {

// What the samples of a pixel are, where the file says more than a decoder hands on.
struct Planes {
  int colours = 0;          // first
  int alpha = -1;           // which of those behind them is transparency; -1: none
  bool associated = false;  // colours are multiplied with it
  bool ycc = false;         // colours are Y, Cb and Cr of 8 bits (BT.601, full range)
};

// What is left out of a file by its names there, in one sentence.
class LeftOut {
 public:
  // A name may be noise: it is made printable.
  void Add(absl::string_view name);
  // "WHAT: a, b, c, ..."; nothing where there is nothing.
  void Tell(absl::string_view what, std::vector<std::string>* warnings) const;

 private:
  std::vector<std::string> names_;
};

struct Container {
  // The file for the decoder, in pieces: parts of the caller's bytes, and of `made`. Empty: the
  // bytes as they are.
  std::vector<absl::string_view> pieces;
  std::deque<std::string> made;
  // The colour profile, too, but for that of a JPEG XL, which comes from the decoder.
  Metadata metadata;
  ColourDescription colour;
  // As EXIF gives it, 1 to 8; the decoder applies it itself where `turned`.
  int orientation = 1;
  bool turned = false;
  // The decoder lays it on its side by an orientation that the EXIF data mention.
  bool sideways = false;
  // Frames or pages: unset where the decoder counts them.
  std::optional<int> frames;
  // Of the pages of a TIFF, by the decoder's count, those that are pictures of their own.
  std::vector<int> pages;
  std::optional<Planes> planes;
  bool grey = false;        // the decoder repeats the one channel of the file three times
  bool associated = false;  // as Planes has it, of the last one of two or four channels
  bool opaque = false;      // the last one of two or four channels is the decoder's, all opaque
  bool xmp = false;         // the file has XMP data, which come from the decoder
  // A JPEG XL with frames: decoders that do not count them hand over the first one.
  bool animation = false;
  // Of the frames of an animation, in milliseconds; times it is played, 0: for ever.
  std::vector<int> durations_ms;
  int loops = 1;
  // What a decoder must go through for the frame asked for, in pixels; 0: its own.
  int64_t work_pixels = 0;
  // What is left out, a sentence each. Of a file by Warn().
  std::vector<std::string> warnings;
  // Adds a sentence that is not there yet: a file may give the reason for one a million times. Of
  // many different ones the first.
  void Warn(std::string text);
  // Content credentials (C2PA) are of the original.
  void WarnOfCredentials();
  // What lies behind the end of the picture; nothing of zeros and white space alone.
  void WarnOfBytesBehind(absl::string_view rest);
};

// What a container is read for. The header alone costs no pass over the pixels.
enum class Purpose { kHeader, kPixels };

// InvalidArgument: what is refused, saying why. A structure that is merely not understood is left
// to the decoder. frame: as in DecodeOptions.
absl::StatusOr<Container> ReadContainer(ImageFormat format, absl::string_view bytes,
                                        const ImageLimits& limits, std::optional<int> frame,
                                        Purpose purpose);

// Of one format each; `bytes` begin as SniffFormat() saw. Where a purpose is taken, what is made
// for kHeader has no pixels that a decoder could read.
absl::StatusOr<Container> ReadJpeg(absl::string_view bytes);
absl::StatusOr<Container> ReadPng(absl::string_view bytes);
absl::StatusOr<Container> ReadWebp(absl::string_view bytes, std::optional<int> frame);
absl::StatusOr<Container> ReadGif(absl::string_view bytes, std::optional<int> frame);
absl::StatusOr<Container> ReadTiff(absl::string_view bytes, std::optional<int> frame);
absl::StatusOr<Container> ReadHeif(absl::string_view bytes);
absl::StatusOr<Container> ReadJxl(absl::string_view bytes);
absl::StatusOr<Container> ReadPpm(absl::string_view bytes, const ImageLimits& limits,
                                  Purpose purpose);

// Adds bytes[begin, end) to the pieces, to the last one where it goes on there.
void AddPiece(absl::string_view bytes, size_t begin, size_t end, Container* container);

// The EXIF data of a block of AVIF, HEIC or JPEG XL: behind four bytes that say how much comes
// before them. Some programs leave these out.
absl::string_view BoxedExif(absl::string_view block);
// Those of the first such block.
void TakeBoxedExif(absl::string_view block, Container* container);

// Without "Exif\0\0", which is of JPEG.
absl::string_view WithoutExifPrefix(absl::string_view exif);

// Of an EXIF block in `metadata`: orientation and resolution.
void UseExif(Container* container);

// Comments of a file, a line each.
void AddComment(absl::string_view comment, std::string* comments);

// "12 bytes of "text"" cut and with what no terminal should see replaced: for messages.
std::string Printable(absl::string_view text, size_t most = 40);

// Pixels that may be decoded on the way to the frame asked for: of some seconds.
inline constexpr int64_t kMaxWorkPixels = 600'000'000;

// InvalidArgument where so many pixels of `what` are more than that.
absl::Status CheckWork(int64_t pixels, absl::string_view what);

}  // namespace hiif

#endif  // IMAGING_CONTAINER_CONTAINER_H_
