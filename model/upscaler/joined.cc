#include "model/upscaler/joined.h"

#include <algorithm>

#include "base/status_macros.h"

namespace hiif {
namespace {

template <class Parts>
int64_t SumOfBytes(const Parts& parts) {
  int64_t sum = 0;
  for (const auto& part : parts) sum += part->bytes();
  return sum;
}

}  // namespace

int64_t JoinedFeatures::bytes() const { return SumOfBytes(parts); }
int64_t JoinedContext::bytes() const { return SumOfBytes(parts); }

int JoinedEncoding::blocks() const {
  int sum = 0;
  for (const auto& part : parts_) sum += part->blocks();
  return sum;
}

absl::Status JoinedEncoding::EncodeBlock(int block, int threads, const Heartbeat& beat) {
  size_t part = 0;
  while (block >= parts_[part]->blocks()) block -= parts_[part++]->blocks();
  return parts_[part]->EncodeBlock(block, threads, beat);
}

absl::StatusOr<std::shared_ptr<const Features>> JoinedEncoding::Finish() {
  std::vector<std::shared_ptr<const Features>> features;
  for (const auto& part : parts_) {
    HIIF_ASSIGN_OR_RETURN(features.emplace_back(), part->Finish());
  }
  return std::make_shared<const JoinedFeatures>(std::move(features));
}

void AddCost(const WorkCost& one, WorkCost& sum) {
  sum.encode.insert(sum.encode.end(), one.encode.begin(), one.encode.end());
  sum.context += one.context;
  sum.coordinate += one.coordinate;
  sum.decode += one.decode;
}

void AddFootprint(const MemoryFootprint& one, MemoryFootprint& most) {
  most.features += one.features;
  most.context += one.context;
  most.encode_blocks += one.encode_blocks;
  most.decode_tiles = std::max(most.decode_tiles, one.decode_tiles);
  most.encode_worker = std::max(most.encode_worker, one.encode_worker);
  most.context_worker = std::max(most.context_worker, one.context_worker);
  most.decode_worker = std::max(most.decode_worker, one.decode_worker);
}

}  // namespace hiif
