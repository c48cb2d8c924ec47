// What a file says about its picture apart from the pixels.
#ifndef IMAGING_METADATA_H_
#define IMAGING_METADATA_H_

#include <cstdint>
#include <string>
#include <vector>

#include "base/image.h"

namespace hiif {

// A text chunk of a PNG.
struct PngText {
  std::string type;  // "tEXt", "zTXt", "iTXt"
  std::string key;
  std::string data;  // as it lies in the chunk, the key included
};

// Raw blocks, empty where there are none.
struct Metadata {
  std::string icc;      // colour profile
  std::string exif;     // from the TIFF header on ("II*\0" or "MM\0*"), without "Exif\0\0"
  std::string xmp;      // packet
  std::string iptc;     // IPTC-IIM records, without Photoshop's wrapping
  std::string comment;  // of a JPEG, GIF or PPM
  std::vector<PngText> png_texts;  // but for those that are one of the above
  bool turned = false;             // the orientation that the blocks mention has been applied
  bool sideways = false;           // what the blocks call width is height now, and the reverse
  bool srgb = false;               // the pixels have been converted to sRGB since
  double ppi_x = 0;                // pixels per inch of the picture as it is seen; 0: not said
  double ppi_y = 0;
  // What could not be taken over, a sentence each.
  std::vector<std::string> warnings;
};

// What it takes in memory.
int64_t Bytes(const Metadata& metadata);

struct MetadataOptions {
  // Drops EXIF, XMP, IPTC and texts; profile and resolution stay.
  bool strip = false;
  enum class Ppi { kKeep, kPrintSize, kSet };
  // kKeep: as it was. kPrintSize: grows with the picture, so that it prints at the same size. kSet:
  // `ppi` below.
  Ppi ppi_mode = Ppi::kKeep;
  double ppi = 0;
};

// The metadata of an output of `size` made from a picture of `input` pixels (oriented): orientation
// 1, pixel sizes of EXIF and XMP those of the output, no thumbnail, resolution by the options.
Metadata OutputMetadata(const Metadata& metadata, Grid input, Grid size,
                        const MetadataOptions& options);

}  // namespace hiif

#endif  // IMAGING_METADATA_H_
