#include "absl/strings/match.h"
#include "imaging/container/boxes.h"
#include "imaging/container/bytes.h"
#include "imaging/container/container.h"

namespace hiif {

absl::StatusOr<Container> ReadJxl(absl::string_view bytes) {
  Container out;
  out.turned = true;
  if (absl::StartsWith(bytes, "\xff\x0a")) return out;  // a bare codestream
  // Boxes as of ISO base media files; the decoder knows which of them hold pixels.
  for (auto box = NextBox(bytes, 0); box && box->whole; box = NextBox(bytes, box->end)) {
    const absl::string_view type = box->type;
    const absl::string_view data = box->body;
    if (type == "Exif" && data.size() > 4 && out.metadata.exif.empty())
      out.metadata.exif = std::string(Slice(data, 4 + BigEndian(data, 0, 4)));
    if (type == "xml " && out.metadata.xmp.empty()) out.metadata.xmp = std::string(data);
    if (type == "brob") {
      const absl::string_view packed = data.substr(0, 4);
      if (packed == "Exif" || packed == "xml ")
        out.warnings.emplace_back("JPEG XL: packed EXIF or XMP data are left out");
    }
    if (type == "jumb")
      out.warnings.emplace_back(
          "content credentials (C2PA) are left out: they are of the original");
  }
  UseExif(&out);
  return out;
}

}  // namespace hiif
