#include "imaging/xmp.h"

#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace hiif {
namespace {

// Replaces every value of a simple property: name="value", name='value', <name>value</name>.
void SetProperty(absl::string_view name, absl::string_view value, std::string* xmp) {
  for (size_t at = xmp->find(name.data(), 0, name.size()); at != std::string::npos;
       at = xmp->find(name.data(), at + 1, name.size())) {
    size_t begin = at + name.size();
    while (begin < xmp->size() && absl::ascii_isspace((*xmp)[begin])) ++begin;
    if (begin >= xmp->size() || at == 0) return;
    size_t end = std::string::npos;
    if ((*xmp)[begin] == '=' && absl::ascii_isspace((*xmp)[at - 1])) {
      begin = xmp->find_first_of("\"'", begin);
      if (begin == std::string::npos) return;
      end = xmp->find((*xmp)[begin], begin + 1);
      ++begin;
    } else if ((*xmp)[begin] == '>' && (*xmp)[at - 1] == '<') {
      end = xmp->find('<', ++begin);
    } else {
      continue;  // a longer name, or the closing tag
    }
    if (end == std::string::npos) return;
    xmp->replace(begin, end - begin, value.data(), value.size());
  }
}

void RemoveElement(absl::string_view name, std::string* xmp) {
  const std::string open = absl::StrCat("<", name);
  const std::string close = absl::StrCat("</", name, ">");
  for (size_t at = xmp->find(open); at != std::string::npos; at = xmp->find(open, at)) {
    const size_t end = xmp->find(close, at);
    if (end == std::string::npos) return;
    xmp->erase(at, end + close.size() - at);
  }
}

}  // namespace

std::string UpdatedXmp(absl::string_view xmp, Grid size, double ppi_x, double ppi_y) {
  std::string out(xmp);
  RemoveElement("xmp:Thumbnails", &out);
  RemoveElement("xap:Thumbnails", &out);
  SetProperty("tiff:Orientation", "1", &out);
  for (const absl::string_view name : {"tiff:ImageWidth", "exif:PixelXDimension"})
    SetProperty(name, absl::StrCat(size.width), &out);
  for (const absl::string_view name : {"tiff:ImageLength", "exif:PixelYDimension"})
    SetProperty(name, absl::StrCat(size.height), &out);
  if (ppi_x > 0 && ppi_y > 0) {
    SetProperty("tiff:XResolution", absl::StrCat(std::llround(ppi_x * 10000), "/10000"), &out);
    SetProperty("tiff:YResolution", absl::StrCat(std::llround(ppi_y * 10000), "/10000"), &out);
    SetProperty("tiff:ResolutionUnit", "2", &out);
  }
  return out;
}

}  // namespace hiif
