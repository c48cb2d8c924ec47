#include "server/fronts/kserve/infer_answer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "server/errors/errors.h"
#include "server/fronts/kserve/descriptions.h"
#include "server/fronts/kserve/tensors.h"

namespace hiif::server::kserve {
namespace {

int64_t SampleBytes(v1::SampleType type) {
  return type == v1::SAMPLE_TYPE_F32 ? 4 : type == v1::SAMPLE_TYPE_U16 ? 2 : 1;
}

const char* DataType(v1::SampleType type) {
  return type == v1::SAMPLE_TYPE_F32 ? "FP32" : type == v1::SAMPLE_TYPE_U16 ? "UINT16" : "UINT8";
}

// In front of a BYTES element.
std::string LengthBytes(size_t size) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<char>(size >> (8 * i) & 0xff));
  return bytes;
}

}  // namespace

absl::Status InferAnswer::Reserve(int64_t bytes) {
  if (bytes > kMaxBytes)
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, kReasonTooLarge,
        absl::StrCat("the output does not fit into one answer of ", kMaxBytes,
                     " bytes; ask for regions of it, or use the streams of hiif.v1 or HTTP"));
  if (bytes > budget_->total())
    return ErrorWithReason(
        absl::StatusCode::kResourceExhausted, kReasonTooLarge,
        absl::StrCat("the output is larger than the ", budget_->total(),
                     " bytes that this server's answers in one message may hold together "
                     "(--memory-bytes); ask for regions of it, or use the streams of hiif.v1 or "
                     "HTTP"));
  if (bytes <= taken_) return absl::OkStatus();
  const int64_t room = std::max(bytes, std::min(2 * taken_, kMaxBytes));
  const int64_t more = budget_->TakeOrLess(room - taken_, bytes - taken_);
  if (more == 0)
    return ErrorWithReason(absl::StatusCode::kResourceExhausted, kReasonMemory,
                           "too many outputs are being collected at once", absl::Seconds(1));
  taken_ += more;
  bytes_.reserve(static_cast<size_t>(taken_));
  return absl::OkStatus();
}

void InferAnswer::PlaceTile(const v1::Tile& tile) {
  const int64_t pixel = header_.channels() * SampleBytes(header_.sample_type());
  const int64_t row = header_.region().width() * pixel;
  const int64_t length = tile.width() * pixel;
  char* to = bytes_.data() + (tile.y() - header_.region().y()) * row +
             (tile.x() - header_.region().x()) * pixel;
  const char* from = tile.samples().data();
  for (int y = 0; y < tile.height(); ++y, to += row, from += length)
    std::memcpy(to, from, static_cast<size_t>(length));
}

absl::Status InferAnswer::Write(const v1::UpscaleResponse& response) {
  switch (response.part_case()) {
    case v1::UpscaleResponse::kHeader: {
      header_ = response.header();
      if (header_.format() != v1::FILE_FORMAT_UNSPECIFIED) return absl::OkStatus();
      const int64_t bytes = header_.region().height() * header_.region().width() *
                            header_.channels() * SampleBytes(header_.sample_type());
      HIIF_RETURN_IF_ERROR(Reserve(bytes));
      bytes_.resize(static_cast<size_t>(bytes));
      return absl::OkStatus();
    }
    case v1::UpscaleResponse::kTile:
      PlaceTile(response.tile());
      return absl::OkStatus();
    case v1::UpscaleResponse::kChunk:
      HIIF_RETURN_IF_ERROR(
          Reserve(static_cast<int64_t>(bytes_.size() + response.chunk().data().size())));
      bytes_ += response.chunk().data();
      return absl::OkStatus();
    case v1::UpscaleResponse::kTrailer:
      warnings_ = absl::StrJoin(response.trailer().warnings(), "; ");
      return absl::OkStatus();
    default:
      return absl::OkStatus();
  }
}

void InferAnswer::MoveTo(inference::ModelInferResponse* response) {
  response->set_model_name(header_.model());
  response->set_model_version(VersionNumber(header_.model_version()));
  if (!warnings_.empty()) (*response->mutable_parameters())["warnings"].set_string_param(warnings_);
  auto* output = response->add_outputs();
  output->set_name(kImage);
  if (header_.format() != v1::FILE_FORMAT_UNSPECIFIED) {
    output->set_datatype("BYTES");
    output->add_shape(1);
    bytes_.insert(0, LengthBytes(bytes_.size()));
  } else {
    output->set_datatype(DataType(header_.sample_type()));
    output->add_shape(header_.region().height());
    output->add_shape(header_.region().width());
    output->add_shape(header_.channels());
  }
  response->add_raw_output_contents(std::move(bytes_));
}

}  // namespace hiif::server::kserve
