// Uncompressed video in the YUV4MPEG2 format (y4m), as ffmpeg and mjpegtools pipe it.
#ifndef IMAGING_Y4M_H_
#define IMAGING_Y4M_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "base/image.h"

namespace hiif {

struct VideoFormat {
  Grid size;
  bool mono = false;
  int chroma_step_x = 2;  // luma samples a chroma sample: 2 or 1
  int chroma_step_y = 2;
  // Where a chroma sample lies, in luma samples from the first of those it is of.
  double chroma_offset_x = 0.5;
  double chroma_offset_y = 0.5;
  int bits = 8;  // or 10
  bool full_range = false;
  // The weights of red and blue in luma (ITU-R BT.601, BT.709 or BT.2020).
  double kr = 0.299;
  double kb = 0.114;
  std::vector<std::string> parameters;  // of the header, all of them, in their order

  int SampleBytes() const { return bits > 8 ? 2 : 1; }
  int channels() const { return mono ? 1 : 3; }
  int64_t FrameBytes() const;
};

// line: the header without its end of line. The matrix is what XCOLORMATRIX= says (BT601, BT709,
// BT2020), else BT.709 from 720 lines on and BT.601 below; the range what XCOLORRANGE= says, else
// limited. InvalidArgument: no such header; interlaced; other than 8 or 10 bits of 4:2:0, 4:2:2,
// 4:4:4 or grey.
absl::StatusOr<VideoFormat> ParseY4mHeader(absl::string_view line);

// The format of the same video where `part` of its frames, or all of them, is resized to `size`;
// its shape as shown stays what it is. Where the header names no matrix, it is the one that this
// size stands for.
VideoFormat Resized(const VideoFormat& format, Grid part, Grid size);
// Without its end of line.
std::string Y4mHeader(const VideoFormat& format);

// A frame of FrameBytes() as interleaved RGB, or grey, of 16 bits. What is outside of RGB is
// clipped.
std::vector<uint16_t> FrameToRgb(const VideoFormat& format, absl::string_view frame);
// The other way round. rgb: size.height * size.width * channels() samples.
std::string FrameFromRgb(const VideoFormat& format, absl::Span<const uint16_t> rgb);

}  // namespace hiif

#endif  // IMAGING_Y4M_H_
