// Rows for a writer, in pieces and of sizes that the bytes say.
#include "imaging/writer.h"

#include <string>
#include <vector>

#include "tests/fuzz/target.h"

FUZZ_TARGET(writer) {
  if (bytes.size() < 8) return;
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  constexpr hiif::ImageFormat kFormats[] = {hiif::ImageFormat::kPng, hiif::ImageFormat::kJpeg,
                                            hiif::ImageFormat::kWebp, hiif::ImageFormat::kTiff,
                                            hiif::ImageFormat::kPpm};
  hiif::WriterOptions options;
  options.format = kFormats[data[0] % 5];
  options.size = {data[1] % 40, data[2] % 40};
  options.channels = data[3] % 6;
  options.type = static_cast<hiif::SampleType>(data[4] % 3);
  options.quality = data[5] % 110;
  const std::string rest(bytes.substr(8));
  options.metadata = {.icc = rest, .exif = rest, .xmp = rest, .iptc = rest, .comment = rest};
  hiif::StringSink whole;
  hiif::StreamSink stream([](absl::string_view) { return absl::OkStatus(); });
  hiif::ByteSink* sink = &whole;
  if (data[6] & 1) sink = &stream;
  const auto writer = hiif::ImageWriter::Create(options, sink);
  if (!writer.ok()) return;
  const size_t row = options.size.width * options.channels * hiif::SampleBytes(options.type);
  std::vector<uint8_t> rows(row * (data[7] % 9 + 1) + (data[6] >> 7));
  for (size_t i = 0; i < rows.size(); ++i) rows[i] = data[i % bytes.size()];
  for (int i = 0; i < 50; ++i)
    if (!(*writer)->WriteRows({reinterpret_cast<const char*>(rows.data()), rows.size()}).ok())
      break;
  (*writer)->Finish().IgnoreError();
}
