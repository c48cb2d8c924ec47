#include "model/format/safetensors.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/status_macros.h"
#include "base/text.h"

namespace hiif {
namespace {

using Json = nlohmann::json;

constexpr uint64_t kMaxHeader = 16 << 20;
constexpr JsonBounds kHeaderBounds = {.depth = 3, .values = 1 << 20};
constexpr int kMaxRank = 8;
constexpr char kChecksum[] = "data_sha256";  // of the metadata: of all that is behind the header

struct TypeName {
  TensorType type;
  const char* name;
  int64_t bytes;
};
constexpr TypeName kTypes[] = {{TensorType::kF32, "F32", 4},
                               {TensorType::kF16, "F16", 2},
                               {TensorType::kBF16, "BF16", 2},
                               {TensorType::kU8, "U8", 1},
                               {TensorType::kI64, "I64", 8}};

const TypeName* FindType(const std::string& name) {
  for (const TypeName& type : kTypes) {
    if (name == type.name) return &type;
  }
  return nullptr;
}

bool IsSize(const Json& value) {
  return value.is_number_unsigned() &&
         value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
}

absl::string_view Text(absl::Span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

absl::Status InFile(const std::string& path, const absl::Status& status) {
  if (status.ok() || absl::StrContains(status.message(), path)) return status;
  return absl::Status(status.code(), absl::StrCat(path, ": ", status.message()));
}

struct Extent {
  int64_t begin;
  int64_t end;
  std::string name;
};

absl::Status ParseTensor(const std::string& name, const Json& entry, int64_t data_bytes,
                         TensorView& tensor, Extent& extent) {
  const auto error = [&](absl::string_view what) {
    return absl::DataLossError(absl::StrCat("tensor ", Quoted(name), ": ", what));
  };
  if (!entry.is_object() || entry.size() != 3 || !entry.contains("dtype") ||
      !entry.contains("shape") || !entry.contains("data_offsets")) {
    return error("expected dtype, shape and data_offsets and nothing else");
  }
  const Json& dtype = entry["dtype"];
  const Json& shape = entry["shape"];
  const Json& offsets = entry["data_offsets"];
  const TypeName* type = dtype.is_string() ? FindType(dtype.get<std::string>()) : nullptr;
  if (type == nullptr) return error("its type is none of F32, F16, BF16, U8, I64");
  if (!shape.is_array() || shape.size() > kMaxRank)
    return error("shape is not a list of 0 to 8 sizes");
  int64_t bytes = type->bytes;
  for (const Json& size : shape) {
    if (!IsSize(size)) return error("shape holds something that is not a size");
    tensor.shape.push_back(size.get<int64_t>());
    if (__builtin_mul_overflow(bytes, tensor.shape.back(), &bytes))
      return error("its size overflows");
  }
  if (!offsets.is_array() || offsets.size() != 2 || !IsSize(offsets[0]) || !IsSize(offsets[1])) {
    return error("data_offsets is not a pair of positions");
  }
  extent = {offsets[0].get<int64_t>(), offsets[1].get<int64_t>(), name};
  if (extent.end < extent.begin || extent.end > data_bytes) {
    return error("lies outside the file");
  }
  if (extent.end - extent.begin != bytes) {
    return error(
        absl::StrCat("has ", extent.end - extent.begin, " bytes, its shape needs ", bytes));
  }
  tensor.type = type->type;
  tensor.begin = extent.begin;
  return absl::OkStatus();
}

float HalfToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t mantissa = half & 0x3ff;
  float out;
  if (exponent == 0) {  // zero and subnormals
    out = static_cast<float>(mantissa) * 0x1p-24f;
    uint32_t bits;
    std::memcpy(&bits, &out, 4);
    bits |= sign;
    std::memcpy(&out, &bits, 4);
    return out;
  }
  const uint32_t bits = exponent == 31 ? sign | 0x7f800000 | (mantissa << 13)
                                       : sign | ((exponent + 112) << 23) | (mantissa << 13);
  std::memcpy(&out, &bits, 4);
  return out;
}

}  // namespace

int64_t TensorTypeBytes(TensorType type) {
  for (const TypeName& candidate : kTypes) {
    if (candidate.type == type) return candidate.bytes;
  }
  return 0;
}

int64_t TensorView::elements() const {
  int64_t product = 1;
  for (const int64_t size : shape) product *= size;  // checked when the file was read
  return product;
}

Safetensors::~Safetensors() = default;

absl::StatusOr<std::shared_ptr<Safetensors>> Safetensors::Open(const std::string& path,
                                                               const SafetensorsLimits& limits) {
  auto result = std::shared_ptr<Safetensors>(new Safetensors);
  result->path_ = path;
  HIIF_ASSIGN_OR_RETURN(result->file_, RegularFile::Open(path, limits.within));
  HIIF_RETURN_IF_ERROR(InFile(path, result->ReadHeader(limits)));
  return result;
}

absl::StatusOr<std::shared_ptr<const Safetensors>> Safetensors::Read(const std::string& path) {
  HIIF_ASSIGN_OR_RETURN(const std::shared_ptr<Safetensors> result, Open(path));
  HIIF_RETURN_IF_ERROR(result->Load());
  return result;
}

absl::Status Safetensors::Load() {
  HIIF_RETURN_IF_ERROR(InFile(path_, ReadData()));
  file_.reset();
  header_ = std::string();
  return absl::OkStatus();
}

absl::Status Safetensors::ReadHeader(const SafetensorsLimits& limits) {
  size_ = file_->size();
  if (size_ < 8) return absl::DataLossError("shorter than the length of a safetensors header");
  if (size_ > limits.max_bytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("has ", size_, " bytes, more than the ", limits.max_bytes, " allowed here"));
  }
  uint64_t header_size;
  HIIF_RETURN_IF_ERROR(file_->Read(0, {reinterpret_cast<uint8_t*>(&header_size), 8}));
  // The number is not told: it would be the first bytes of whatever file this is.
  if (header_size > kMaxHeader || header_size > static_cast<uint64_t>(size_ - 8))
    return absl::DataLossError("its header is longer than the file or than 16 MiB");
  header_.resize(8 + header_size);
  HIIF_RETURN_IF_ERROR(
      file_->Read(0, {reinterpret_cast<uint8_t*>(header_.data()), header_.size()}));
  return ParseHeader(absl::string_view(header_).substr(8),
                     size_ - static_cast<int64_t>(header_.size()));
}

absl::Status Safetensors::ReadData() {
  const auto begin = static_cast<int64_t>(header_.size());
  bytes_ = std::make_unique_for_overwrite<uint8_t[]>(size_);
  // What was checked is what is used, whatever stands there by now.
  std::memcpy(bytes_.get(), header_.data(), header_.size());
  HIIF_RETURN_IF_ERROR(
      file_->Read(begin, {bytes_.get() + begin, static_cast<size_t>(size_ - begin)}));
  HIIF_RETURN_IF_ERROR(file_->CheckUnchanged());
  const absl::Span<const uint8_t> data = file().subspan(begin);
  for (auto& [name, tensor] : tensors_)
    tensor.bytes = data.subspan(tensor.begin, tensor.elements() * TensorTypeBytes(tensor.type));
  const auto checksum = metadata_.find(kChecksum);
  if (checksum != metadata_.end() && checksum->second != Sha256Hex(Text(data)))
    return absl::DataLossError(
        "its values do not have the checksum data_sha256 of its metadata: copy it again, or leave "
        "the "
        "checksum out of a file whose values were changed on purpose");
  return absl::OkStatus();
}

absl::Status Safetensors::ParseHeader(absl::string_view text, int64_t data_bytes) {
  const absl::StatusOr<Json> header = ParseJson(text, kHeaderBounds);
  if (!header.ok()) {
    return absl::DataLossError(absl::StrCat("its header: ", header.status().message()));
  }
  if (!header->is_object()) return absl::DataLossError("its header is not a JSON object");

  std::vector<Extent> extents;
  for (const auto& [name, entry] : header->items()) {
    if (name == "__metadata__") {
      if (!entry.is_object()) return absl::DataLossError("__metadata__ is not an object");
      for (const auto& [key, value] : entry.items()) {
        if (!value.is_string()) {
          return absl::DataLossError(absl::StrCat("metadata ", Quoted(key), " is not a string"));
        }
        metadata_[key] = value.get<std::string>();
      }
      continue;
    }
    Extent extent;
    HIIF_RETURN_IF_ERROR(ParseTensor(name, entry, data_bytes, tensors_[name], extent));
    extents.push_back(extent);
  }
  std::sort(extents.begin(), extents.end(), [](const Extent& a, const Extent& b) {
    return std::pair(a.begin, a.end) < std::pair(b.begin, b.end);
  });
  int64_t position = 0;
  for (const Extent& extent : extents) {
    if (extent.begin != position) {
      return absl::DataLossError(absl::StrCat(
          "tensor ", Quoted(extent.name), ": ",
          extent.begin < position ? "overlaps" : "leaves a hole behind", " the one before it"));
    }
    position = extent.end;
  }
  if (position != data_bytes)
    return absl::DataLossError(
        absl::StrCat(data_bytes - position, " bytes behind the last tensor"));
  return absl::OkStatus();
}

absl::Span<const uint8_t> Safetensors::file() const {
  return {bytes_.get(), bytes_ == nullptr ? 0 : static_cast<size_t>(size_)};
}

std::shared_ptr<Safetensors> Safetensors::Below(const std::string& prefix) const {
  std::shared_ptr<Safetensors> below(new Safetensors);
  below->path_ = path_;
  below->bytes_ = bytes_;
  below->size_ = size_;
  below->metadata_ = metadata_;
  for (const auto& [name, tensor] : tensors_) {
    if (absl::StartsWith(name, prefix)) below->tensors_[name.substr(prefix.size())] = tensor;
  }
  return below;
}

absl::StatusOr<std::vector<float>> Safetensors::Floats(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) return absl::NotFoundError(absl::StrCat("no tensor ", name));
  const TensorView& tensor = found->second;
  std::vector<float> out(tensor.elements());
  switch (tensor.type) {
    case TensorType::kF32:
      std::memcpy(out.data(), tensor.bytes.data(), tensor.bytes.size());
      return out;
    case TensorType::kF16:
    case TensorType::kBF16:
      for (size_t i = 0; i < out.size(); ++i) {
        uint16_t half;
        std::memcpy(&half, tensor.bytes.data() + 2 * i, 2);
        if (tensor.type == TensorType::kF16) {
          out[i] = HalfToFloat(half);
        } else {
          const uint32_t bits = static_cast<uint32_t>(half) << 16;
          std::memcpy(&out[i], &bits, 4);
        }
      }
      return out;
    default:
      return absl::InvalidArgumentError(absl::StrCat("tensor ", name, " does not hold floats"));
  }
}

absl::Status WriteSafetensors(const std::string& path,
                              const std::map<std::string, TensorToWrite>& tensors,
                              const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  int64_t position = 0;
  std::vector<absl::string_view> parts;
  for (const auto& [name, tensor] : tensors) {
    int64_t bytes = TensorTypeBytes(tensor.type);
    for (const int64_t size : tensor.shape) bytes *= size;
    if (bytes != static_cast<int64_t>(tensor.bytes.size())) {
      return absl::InvalidArgumentError(
          absl::StrCat("tensor ", name, ": bytes do not fit its shape"));
    }
    const auto type =
        std::find_if(std::begin(kTypes), std::end(kTypes),
                     [type = tensor.type](const TypeName& t) { return t.type == type; });
    header[name] = {{"dtype", type->name},
                    {"shape", tensor.shape},
                    {"data_offsets", {position, position + bytes}}};
    position += bytes;
    parts.push_back(Text(tensor.bytes));
  }
  header["__metadata__"] = metadata;
  header["__metadata__"][kChecksum] = Sha256Hex(parts);
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');  // tensors start at a multiple of 8
  const uint64_t size = text.size();
  HIIF_ASSIGN_OR_RETURN(auto file, AtomicFile::Create(path));
  HIIF_RETURN_IF_ERROR(file->Append({reinterpret_cast<const char*>(&size), 8}));
  HIIF_RETURN_IF_ERROR(file->Append(text));
  for (const absl::string_view part : parts) HIIF_RETURN_IF_ERROR(file->Append(part));
  return file->Commit();
}

}  // namespace hiif
