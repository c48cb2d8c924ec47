// The messages of an Upscale as one tensor.
#ifndef SERVER_FRONTS_KSERVE_INFER_ANSWER_H_
#define SERVER_FRONTS_KSERVE_INFER_ANSWER_H_

#include <cstdint>
#include <string>

#include "inference/grpc_service.pb.h"
#include "server/core/byte_budget.h"
#include "server/core/call.h"

namespace hiif::server::kserve {

// Collects the output: pixels of [height, width, channels], or a file of one BYTES element.
class InferAnswer : public UpscaleStream {
 public:
  // Largest output: a message of protobuf ends at 2 GiB, and one that is held as a whole should be
  // smaller by far.
  static constexpr int64_t kMaxBytes = int64_t{512} << 20;

  // budget: of all outputs being collected.
  explicit InferAnswer(ByteBudget* budget) : budget_(budget) {}
  ~InferAnswer() override { budget_->Give(taken_); }

  // ResourceExhausted: the output is larger than kMaxBytes or than the budget (without a retry
  // time), or there is no memory for it now.
  absl::Status Write(const v1::UpscaleResponse& response) override;

  // After the trailer: model, version, what was lost (parameter "warnings"), and the output.
  void MoveTo(inference::ModelInferResponse* response);

 private:
  absl::Status Reserve(int64_t bytes);
  void PlaceTile(const v1::Tile& tile);

  ByteBudget* const budget_;
  int64_t taken_ = 0;
  v1::UpscaleHeader header_;
  std::string bytes_;
  std::string warnings_;
};

}  // namespace hiif::server::kserve

#endif  // SERVER_FRONTS_KSERVE_INFER_ANSWER_H_
