#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "imaging/codecs/encoder.h"

namespace hiif {
namespace {

// PGM and PPM: a line of text, then the samples, the high byte first.
class PpmEncoder : public FileEncoder {
 public:
  PpmEncoder(const StoredImage& image, ByteSink* sink) : image_(image), sink_(sink) {
    const Metadata& m = image.metadata;
    if (!m.icc.empty() || !m.exif.empty() || !m.xmp.empty() || !m.iptc.empty())
      warnings_.emplace_back("PPM holds no colour profile and no metadata; they are left out");
  }

  absl::Status Start() {
    // In one line: libvips takes a second one for numbers.
    std::string comment = absl::StrReplaceAll(image_.metadata.comment, {{"\r", " "}, {"\n", "; "}});
    if (!comment.empty()) comment = absl::StrCat("# ", comment, "\n");
    return sink_->Append(absl::StrFormat("P%c\n%s%d %d\n%d\n", image_.channels == 1 ? '5' : '6',
                                         comment, image_.size.width, image_.size.height,
                                         image_.type == SampleType::kU8 ? 255 : 65535));
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    std::string bytes(reinterpret_cast<const char*>(rows), count * image_.row_bytes());
    if (image_.type == SampleType::kU16)
      for (size_t i = 0; i + 1 < bytes.size(); i += 2) std::swap(bytes[i], bytes[i + 1]);
    return sink_->Append(bytes);
  }

  absl::Status Finish() override { return absl::OkStatus(); }

 private:
  StoredImage image_;
  ByteSink* sink_;
};

}  // namespace

EncoderOr NewPpmEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<PpmEncoder>(image, sink);
  const absl::Status status = encoder->Start();
  if (!status.ok()) return status;
  return encoder;
}

}  // namespace hiif
