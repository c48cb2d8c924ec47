// Image files made by libvips for tests of imaging.
#ifndef TESTS_UNIT_IMAGING_FILES_H_
#define TESTS_UNIT_IMAGING_FILES_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vips/vips8>

#include "imaging/library.h"

namespace hiif::testing {

// Imaging shuts the savers it does not use; tests open them.
inline void OpenSavers() {
  if (!StartLibrary().ok()) abort();
  HasOperation("heifsave_buffer");  // loads the module
  HasOperation("jxlsave_buffer");
  vips_operation_block_set("VipsForeignSave", FALSE);
}

// An image whose samples are value(x, y, band).
template <typename T>
vips::VImage Make(int width, int height, int bands,
                  const std::function<double(int x, int y, int band)>& value) {
  OpenSavers();
  const size_t count = static_cast<size_t>(width) * height * bands;
  auto* samples = static_cast<T*>(g_malloc(count * sizeof(T)));  // the image's, below
  for (int y = 0, i = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int b = 0; b < bands; ++b, ++i) samples[i] = static_cast<T>(value(x, y, b));
  const VipsBandFormat format = sizeof(T) == 1   ? VIPS_FORMAT_UCHAR
                                : sizeof(T) == 2 ? VIPS_FORMAT_USHORT
                                                 : VIPS_FORMAT_FLOAT;
  const bool wide = sizeof(T) == 2;
  const VipsInterpretation interpretation =
      bands < 3 ? (wide ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
                : (wide ? VIPS_INTERPRETATION_RGB16 : VIPS_INTERPRETATION_sRGB);
  return vips::VImage::new_from_memory_steal(samples, count * sizeof(T), width, height, bands,
                                             format)
      .copy(vips::VImage::option()->set("interpretation", interpretation));
}

// A file in memory; suffix with options as libvips takes them: ".jpg[Q=90]".
inline std::string Save(const vips::VImage& image, const std::string& suffix) {
  OpenSavers();
  void* data = nullptr;
  size_t size = 0;
  image.write_to_buffer(suffix.c_str(), &data, &size);
  std::string file(static_cast<const char*>(data), size);
  g_free(data);
  return file;
}

// Different in every pixel and channel, so that no swap goes unseen.
inline double Pattern(int x, int y, int band) { return (x * 37 + y * 59 + band * 83) % 256; }

// Sample of a picture or a tile.
template <typename T>
T At(const std::vector<uint8_t>& samples, int64_t index) {
  return reinterpret_cast<const T*>(samples.data())[index];
}

}  // namespace hiif::testing

#endif  // TESTS_UNIT_IMAGING_FILES_H_
