#include "train/degrade.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <vector>

// After <cstdio>, which it needs and does not include.
#include <jpeglib.h>

#include "base/bicubic.h"

namespace hiif::train {
namespace {

constexpr int64_t kChannels = 3;

// One line of `length` samples that are `stride` apart.
void BlurLine(float* line, int64_t length, int64_t stride, const std::vector<float>& kernel,
              std::vector<float>& scratch) {
  const auto radius = static_cast<int64_t>(kernel.size()) - 1;
  for (int64_t i = 0; i < length; ++i) {
    float sum = kernel[0] * line[i * stride];
    for (int64_t k = 1; k <= radius; ++k) {
      sum += kernel[k] * (line[std::max<int64_t>(i - k, 0) * stride] +
                          line[std::min(i + k, length - 1) * stride]);
    }
    scratch[i] = sum;
  }
  for (int64_t i = 0; i < length; ++i) line[i * stride] = scratch[i];
}

void Blur(std::vector<float>& samples, int64_t height, int64_t width, double sigma) {
  std::vector<float> kernel(static_cast<size_t>(std::ceil(3.0 * sigma)) + 1);
  double sum = 0;
  for (size_t k = 0; k < kernel.size(); ++k) {
    const auto distance = static_cast<double>(k);
    kernel[k] = static_cast<float>(std::exp(-0.5 * distance * distance / (sigma * sigma)));
    sum += (k == 0 ? 1.0 : 2.0) * kernel[k];
  }
  for (float& weight : kernel) weight = static_cast<float>(weight / sum);
  std::vector<float> scratch(std::max(height, width));
  for (int64_t y = 0; y < height; ++y) {
    for (int64_t c = 0; c < kChannels; ++c) {
      BlurLine(&samples[y * width * kChannels + c], width, kChannels, kernel, scratch);
    }
  }
  for (int64_t x = 0; x < width * kChannels; ++x) {
    BlurLine(&samples[x], height, width * kChannels, kernel, scratch);
  }
}

// To JPEG and back. What libjpeg could complain about here is memory alone; its own handler then
// says so and ends the process.
void ThroughJpeg(RgbImage& image, int quality, bool half_chroma) {
  jpeg_error_mgr error;
  jpeg_compress_struct out{};
  out.err = jpeg_std_error(&error);
  jpeg_create_compress(&out);
  unsigned char* bytes = nullptr;
  unsigned long size = 0;  // NOLINT(google-runtime-int): libjpeg's type
  jpeg_mem_dest(&out, &bytes, &size);
  out.image_width = static_cast<JDIMENSION>(image.width);
  out.image_height = static_cast<JDIMENSION>(image.height);
  out.input_components = kChannels;
  out.in_color_space = JCS_RGB;
  jpeg_set_defaults(&out);
  jpeg_set_quality(&out, quality, TRUE);
  out.comp_info[0].h_samp_factor = out.comp_info[0].v_samp_factor = half_chroma ? 2 : 1;
  jpeg_start_compress(&out, TRUE);
  const int64_t row_bytes = image.width * kChannels;
  while (out.next_scanline < out.image_height) {
    JSAMPROW row = &image.samples[out.next_scanline * row_bytes];
    jpeg_write_scanlines(&out, &row, 1);
  }
  jpeg_finish_compress(&out);
  jpeg_destroy_compress(&out);

  jpeg_decompress_struct in{};
  in.err = jpeg_std_error(&error);
  jpeg_create_decompress(&in);
  jpeg_mem_src(&in, bytes, size);
  jpeg_read_header(&in, TRUE);
  in.out_color_space = JCS_RGB;
  jpeg_start_decompress(&in);
  while (in.output_scanline < in.output_height) {
    JSAMPROW row = &image.samples[in.output_scanline * row_bytes];
    jpeg_read_scanlines(&in, &row, 1);
  }
  jpeg_finish_decompress(&in);
  jpeg_destroy_decompress(&in);
  std::free(bytes);
}

int64_t Resized(int64_t side, double factor) {
  return std::max<int64_t>(std::llround(static_cast<double>(side) * factor), 1);
}

void Round(const std::vector<float>& samples, RgbImage& out) {
  for (size_t i = 0; i < samples.size(); ++i) {
    out.samples[i] = static_cast<uint8_t>(std::clamp(std::nearbyint(samples[i]), 0.0f, 255.0f));
  }
}

}  // namespace

Degradation DrawDegradation(Random& random) {
  Degradation out;
  out.blur = random.Uniform(0.2, 1.5);
  out.noise = random.Uniform(0.0, 6.0);
  out.quality = 50 + static_cast<int>(random.Below(46));
  out.half_chroma = random.Below(2) == 1;
  return out;
}

RgbImage Degrade(const RgbImage& image, const Degradation& degradation, Random& random) {
  std::vector<float> samples(image.samples.begin(), image.samples.end());
  if (degradation.blur > 0) Blur(samples, image.height, image.width, degradation.blur);
  RgbImage out = image;
  if (degradation.resize != 1) {
    Round(samples, out);
    out = ResizeBicubic(
        out, {Resized(image.height, degradation.resize), Resized(image.width, degradation.resize)});
    samples.assign(out.samples.begin(), out.samples.end());
  }
  if (degradation.noise > 0) {
    for (float& sample : samples) {
      sample = static_cast<float>(sample + degradation.noise * random.Normal());
    }
  }
  Round(samples, out);
  ThroughJpeg(out, degradation.quality, degradation.half_chroma);
  return degradation.resize == 1 ? out : ResizeBicubic(out, {image.height, image.width});
}

RgbImage DegradeTwice(const RgbImage& image, Random& random) {
  const Degradation first{.blur = random.Uniform(0.0, 1.5),
                          .resize = random.Uniform(0.6, 1.2),
                          .noise = random.Uniform(0.0, 8.0),
                          .quality = 40 + static_cast<int>(random.Below(56)),
                          .half_chroma = random.Below(2) == 1};
  const RgbImage once = Degrade(image, first, random);
  return Degrade(once, DrawDegradation(random), random);
}

}  // namespace hiif::train
