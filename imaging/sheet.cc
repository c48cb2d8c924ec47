#include "imaging/sheet.h"

#include <glib.h>

#include <algorithm>
#include <vips/vips8>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/library.h"
#include "imaging/sink.h"
#include "imaging/writer.h"

namespace hiif {
namespace {

using vips::VImage;

constexpr int kGap = 8;     // pixels
constexpr int kLabel = 26;  // height of a line of text

VImage WithLabel(const SheetCell& cell, int width, int height) {
  const VImage picture =
      VImage::new_from_memory(const_cast<uint8_t*>(cell.image.samples.data()),
                              cell.image.samples.size(), static_cast<int>(cell.image.width),
                              static_cast<int>(cell.image.height), 3, VIPS_FORMAT_UCHAR)
          .copy(VImage::option()->set("interpretation", VIPS_INTERPRETATION_sRGB));
  const auto white = [] {
    return VImage::option()
        ->set("extend", VIPS_EXTEND_BACKGROUND)
        ->set("background", std::vector<double>{255, 255, 255});
  };
  const VImage framed = picture.embed(0, 0, width, height + kLabel, white());
  if (cell.label.empty()) return framed;
  gchar* escaped = g_markup_escape_text(cell.label.c_str(), -1);
  VImage text = VImage::text(escaped, VImage::option()->set("font", "sans 10")->set("dpi", 96));
  g_free(escaped);
  if (text.width() > width) text = text.crop(0, 0, width, text.height());
  const VImage line = text.extract_band(0).invert();
  const VImage ink = VImage::bandjoin(std::vector<VImage>{line, line, line});
  return framed.insert(ink.copy(VImage::option()->set("interpretation", VIPS_INTERPRETATION_sRGB)),
                       0, height + std::max(2, kLabel - text.height() - 6));
}

}  // namespace

absl::StatusOr<std::string> MakeSheet(const std::vector<SheetCell>& cells, int columns) {
  if (cells.empty() || columns < 1) return absl::InvalidArgumentError("a sheet needs pictures");
  int width = 0;
  int height = 0;
  for (const SheetCell& cell : cells) {
    if (cell.image.type != SampleType::kU8)
      return absl::InvalidArgumentError("a sheet takes 8-bit pictures");
    width = std::max(width, static_cast<int>(cell.image.width));
    height = std::max(height, static_cast<int>(cell.image.height));
  }
  HIIF_RETURN_IF_ERROR(StartLibrary());
  try {
    std::vector<VImage> images;
    for (const SheetCell& cell : cells) images.push_back(WithLabel(cell, width, height));
    const VImage sheet = VImage::arrayjoin(
        images, VImage::option()
                    ->set("across", std::min(columns, static_cast<int>(cells.size())))
                    ->set("shim", kGap)
                    ->set("background", std::vector<double>{255, 255, 255}));
    size_t size = 0;
    void* data = sheet.write_to_memory(&size);
    const absl::Cleanup release = [data] { g_free(data); };
    WriterOptions options;
    options.size = {sheet.height(), sheet.width()};
    StringSink sink;
    HIIF_ASSIGN_OR_RETURN(const auto writer, ImageWriter::Create(options, &sink));
    HIIF_RETURN_IF_ERROR(writer->WriteRows({static_cast<const char*>(data), size}));
    HIIF_RETURN_IF_ERROR(writer->Finish());
    return sink.bytes();
  } catch (const vips::VError& error) {
    return absl::InternalError(absl::StrCat("the picture sheet: ", error.what()));
  }
}

}  // namespace hiif
