#include "imaging/metadata.h"

#include "imaging/exif.h"
#include "imaging/xmp.h"

namespace hiif {

int64_t Bytes(const Metadata& metadata) {
  size_t bytes = metadata.icc.size() + metadata.exif.size() + metadata.xmp.size() +
                 metadata.iptc.size() + metadata.comment.size();
  for (const PngText& text : metadata.png_texts)
    bytes += sizeof(text) + text.key.size() + text.data.size();
  for (const std::string& warning : metadata.warnings) bytes += sizeof(warning) + warning.size();
  return static_cast<int64_t>(bytes);
}

Metadata OutputMetadata(const Metadata& metadata, Grid input, Grid size,
                        const MetadataOptions& options) {
  Metadata out;
  out.icc = metadata.icc;
  out.ppi_x = metadata.ppi_x;
  out.ppi_y = metadata.ppi_y;
  switch (options.ppi_mode) {
    case MetadataOptions::Ppi::kKeep:
      break;
    case MetadataOptions::Ppi::kPrintSize:
      out.ppi_x *= static_cast<double>(size.width) / static_cast<double>(input.width);
      out.ppi_y *= static_cast<double>(size.height) / static_cast<double>(input.height);
      break;
    case MetadataOptions::Ppi::kSet:
      out.ppi_x = out.ppi_y = options.ppi;
      break;
  }
  if (options.strip) return out;
  // What is not to change is left as it was written.
  const bool changes = options.ppi_mode != MetadataOptions::Ppi::kKeep;
  const double ppi_x = changes ? out.ppi_x : 0;
  const double ppi_y = changes ? out.ppi_y : 0;
  if (!metadata.exif.empty())
    out.exif = UpdatedExif(metadata.exif, {size, ppi_x, ppi_y, metadata.sideways, metadata.srgb});
  if (!metadata.xmp.empty()) {
    out.xmp = UpdatedXmp(metadata.xmp, {input, size, ppi_x, ppi_y, metadata.turned,
                                        metadata.sideways, metadata.srgb});
    if (out.xmp.empty()) out.warnings.emplace_back("the XMP data are damaged and left out");
  }
  out.iptc = metadata.iptc;
  out.comment = metadata.comment;
  out.png_texts = metadata.png_texts;
  out.turned = metadata.turned;
  out.sideways = metadata.sideways;
  out.srgb = metadata.srgb;
  return out;
}

}  // namespace hiif
