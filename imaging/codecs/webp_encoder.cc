#include <webp/encode.h>
#include <webp/mux.h>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "imaging/codecs/encoder.h"

namespace hiif {
namespace {

WebPData Data(const std::string& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

// Holds the image as 32 bits a pixel: the encoder wants all of it.
class WebpEncoder : public FileEncoder {
 public:
  WebpEncoder(const StoredImage& image, ByteSink* sink) : image_(image), sink_(sink) {
    if (!image.metadata.iptc.empty())
      warnings_.emplace_back("WebP holds no IPTC data; they are left out");
  }

  ~WebpEncoder() override { WebPPictureFree(&picture_); }

  absl::Status Start() {
    if (WebPPictureInit(&picture_) == 0)
      return absl::InternalError("libwebp has another version than its headers");
    picture_.use_argb = 1;
    picture_.width = static_cast<int>(image_.size.width);
    picture_.height = static_cast<int>(image_.size.height);
    if (WebPPictureAlloc(&picture_) == 0)
      return absl::ResourceExhaustedError("no memory for the image that WebP has to hold");
    return absl::OkStatus();
  }

  absl::Status WriteRows(const uint8_t* rows, int64_t count) override {
    const int channels = image_.channels;
    for (int64_t y = 0; y < count; ++y, ++next_) {
      uint32_t* out = picture_.argb + next_ * picture_.argb_stride;
      for (int64_t x = 0; x < image_.size.width; ++x, rows += channels) {
        const uint32_t alpha = channels == 4 ? rows[3] : 255;
        out[x] = alpha << 24 | static_cast<uint32_t>(rows[0]) << 16 |
                 static_cast<uint32_t>(rows[1]) << 8 | rows[2];
      }
    }
    return absl::OkStatus();
  }

  absl::Status Finish() override {
    WebPConfig config;
    WebPConfigInit(&config);
    if (image_.quality == 0) {
      WebPConfigLosslessPreset(&config, 6);
      config.exact = 1;  // colour under transparent pixels too
    } else {
      config.quality = static_cast<float>(image_.quality);
      config.use_sharp_yuv = 1;
    }
    WebPMemoryWriter memory;
    WebPMemoryWriterInit(&memory);
    const absl::Cleanup clear = [&memory] { WebPMemoryWriterClear(&memory); };
    picture_.progress_hook = [](int, const WebPPicture* picture) {
      const auto& cancelled = static_cast<const WebpEncoder*>(picture->user_data)->image_.cancelled;
      return cancelled && cancelled() ? 0 : 1;
    };
    picture_.user_data = this;
    picture_.writer = WebPMemoryWrite;
    picture_.custom_ptr = &memory;
    if (WebPEncode(&config, &picture_) == 0) {
      if (picture_.error_code == VP8_ENC_ERROR_USER_ABORT) return absl::CancelledError("cancelled");
      const bool no_memory = picture_.error_code == VP8_ENC_ERROR_OUT_OF_MEMORY ||
                             picture_.error_code == VP8_ENC_ERROR_BITSTREAM_OUT_OF_MEMORY;
      return no_memory ? absl::ResourceExhaustedError("no memory to encode WebP")
                       : absl::InternalError(absl::StrCat("WebP: error ", picture_.error_code));
    }
    return WriteContainer({memory.mem, memory.size});
  }

 private:
  absl::Status WriteContainer(WebPData image) {
    const Metadata& m = image_.metadata;
    WebPMux* mux = WebPMuxNew();
    const absl::Cleanup remove = [mux] { WebPMuxDelete(mux); };
    bool ok = WebPMuxSetImage(mux, &image, 0) == WEBP_MUX_OK;
    const auto set = [&](const char* chunk, const std::string& bytes) {
      const WebPData data = Data(bytes);
      if (!bytes.empty()) ok = ok && WebPMuxSetChunk(mux, chunk, &data, 0) == WEBP_MUX_OK;
    };
    set("ICCP", m.icc);
    set("EXIF", m.exif);
    set("XMP ", m.xmp);
    WebPData file = {nullptr, 0};
    const absl::Cleanup clear = [&file] { WebPDataClear(&file); };
    if (!ok || WebPMuxAssemble(mux, &file) != WEBP_MUX_OK)
      return absl::InternalError("WebP: the parts of the file cannot be put together");
    return sink_->Append({reinterpret_cast<const char*>(file.bytes), file.size});
  }

  StoredImage image_;
  ByteSink* sink_;
  WebPPicture picture_ = {};
  int64_t next_ = 0;  // row
};

}  // namespace

EncoderOr NewWebpEncoder(const StoredImage& image, ByteSink* sink) {
  auto encoder = std::make_unique<WebpEncoder>(image, sink);
  HIIF_RETURN_IF_ERROR(encoder->Start());
  return encoder;
}

}  // namespace hiif
