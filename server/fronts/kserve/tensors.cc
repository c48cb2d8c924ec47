#include "server/fronts/kserve/tensors.h"

#include <charconv>
#include <cstring>
#include <type_traits>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "server/errors/errors.h"

namespace hiif::server::kserve {
namespace {

using Tensor = inference::ModelInferRequest::InferInputTensor;

// Of a shape: more are not looked at.
constexpr int kMaxSizes = 8;

std::string FieldOfTensor(const Tensor& tensor) { return absl::StrCat("inputs.", tensor.name()); }

// Number of elements; InvalidArgument where a size is not positive or they are too many.
absl::StatusOr<int64_t> Elements(const Tensor& tensor) {
  if (tensor.shape_size() > kMaxSizes)
    return InvalidField(FieldOfTensor(tensor),
                        absl::StrCat("shape: ", kMaxSizes, " sizes at most are allowed"));
  int64_t elements = 1;
  for (const int64_t size : tensor.shape()) {
    if (size < 1 || elements > INT32_MAX / size)
      return InvalidField(
          FieldOfTensor(tensor),
          absl::StrCat("shape [", absl::StrJoin(tensor.shape(), ", "),
                       "]: sizes of 1 or more are allowed, up to ", INT32_MAX, " elements"));
    elements *= size;
  }
  return elements;
}

struct TypeFacts {
  const char* name;
  v1::SampleType type;
  int64_t bytes;
};
constexpr TypeFacts kPixelTypes[] = {{"UINT8", v1::SAMPLE_TYPE_U8, 1},
                                     {"UINT16", v1::SAMPLE_TYPE_U16, 2},
                                     {"FP32", v1::SAMPLE_TYPE_F32, 4}};

// Elements of typed contents, as raw contents have them. InvalidArgument: one that the type does
// not hold.
template <typename Stored, typename Values>
absl::StatusOr<std::string> Packed(const Tensor& tensor, const Values& values) {
  std::string bytes(values.size() * sizeof(Stored), '\0');
  for (int i = 0; i < values.size(); ++i) {
    const auto value = static_cast<Stored>(values[i]);
    if (std::is_integral_v<Stored> && value != values[i])
      return InvalidField(FieldOfTensor(tensor),
                          absl::StrCat(values[i], " is not a value of ", tensor.datatype()));
    std::memcpy(bytes.data() + i * sizeof(Stored), &value, sizeof(Stored));
  }
  return bytes;
}

uint32_t Length(absl::string_view raw) {
  uint32_t length = 0;
  for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(raw[i]);
  return length;
}

// The bytes of tensor `index`: raw contents in the order of the inputs, or typed ones.
absl::StatusOr<std::string> BytesOf(const inference::ModelInferRequest& request, int index) {
  if (request.raw_input_contents_size() > 0) return request.raw_input_contents(index);
  const Tensor& tensor = request.inputs(index);
  const auto& contents = tensor.contents();
  if (tensor.datatype() == "UINT8") return Packed<uint8_t>(tensor, contents.uint_contents());
  if (tensor.datatype() == "UINT16") return Packed<uint16_t>(tensor, contents.uint_contents());
  if (tensor.datatype() == "FP32") return Packed<float>(tensor, contents.fp32_contents());
  return Packed<double>(tensor, contents.fp64_contents());
}

// The one element of a BYTES tensor: behind its length, 4 bytes, little-endian.
absl::StatusOr<absl::string_view> FileOf(const inference::ModelInferRequest& request, int index) {
  const Tensor& tensor = request.inputs(index);
  HIIF_ASSIGN_OR_RETURN(const int64_t elements, Elements(tensor));
  const std::string field = FieldOfTensor(tensor);
  if (elements != 1) return InvalidField(field, "BYTES of one element, the file, is allowed");
  if (request.raw_input_contents_size() == 0) {
    if (tensor.contents().bytes_contents_size() != 1)
      return InvalidField(field, "bytes_contents of one element, the file, is allowed");
    return tensor.contents().bytes_contents(0);
  }
  const absl::string_view raw = request.raw_input_contents(index);
  if (raw.size() < 4 || Length(raw) != raw.size() - 4)
    return InvalidField(field, "the file behind its length (4 bytes, little-endian) is allowed");
  return raw.substr(4);
}

absl::Status ReadPixels(const inference::ModelInferRequest& request, int index,
                        const TypeFacts& type, v1::RawImage* image) {
  const Tensor& tensor = request.inputs(index);
  const std::string field = FieldOfTensor(tensor);
  HIIF_ASSIGN_OR_RETURN(const int64_t elements, Elements(tensor));
  std::vector<int64_t> shape(tensor.shape().begin(), tensor.shape().end());
  if (shape.size() == 4 && shape[0] == 1) shape.erase(shape.begin());
  if (shape.size() != 3 || shape[2] > 4)
    return InvalidField(
        field, absl::StrCat("shape [", absl::StrJoin(tensor.shape(), ", "),
                            "]: [height, width, channels] of one image, 1 to 4 channels, is "
                            "allowed; several are sent in a request each"));
  HIIF_ASSIGN_OR_RETURN(*image->mutable_samples(), BytesOf(request, index));
  if (static_cast<int64_t>(image->samples().size()) != elements * type.bytes)
    return InvalidField(
        field, absl::StrCat(image->samples().size(), " bytes are not the ", elements * type.bytes,
                            " of this shape and type; raw_input_contents, or the contents of the "
                            "type (uint_contents, fp32_contents) are read"));
  image->set_height(static_cast<int32_t>(shape[0]));
  image->set_width(static_cast<int32_t>(shape[1]));
  image->set_channels(static_cast<int32_t>(shape[2]));
  image->set_sample_type(type.type);
  return absl::OkStatus();
}

absl::StatusOr<v1::Scale> ReadScale(const inference::ModelInferRequest& request, int index) {
  const Tensor& tensor = request.inputs(index);
  const std::string field = FieldOfTensor(tensor);
  HIIF_ASSIGN_OR_RETURN(const int64_t elements, Elements(tensor));
  const bool single = tensor.datatype() == "FP32";
  if ((!single && tensor.datatype() != "FP64") || elements > 2)
    return InvalidField(field, "FP32 of [2] (horizontal and vertical factor) or [1] is allowed");
  HIIF_ASSIGN_OR_RETURN(const std::string bytes, BytesOf(request, index));
  const size_t size = single ? sizeof(float) : sizeof(double);
  if (bytes.size() != static_cast<size_t>(elements) * size)
    return InvalidField(field, "the bytes are not those of this shape and type");
  const auto value = [&](int64_t i) {
    if (single) {
      float factor;
      std::memcpy(&factor, bytes.data() + i * sizeof(factor), sizeof(factor));
      return MeantBy(factor);
    }
    double factor;
    std::memcpy(&factor, bytes.data() + i * sizeof(factor), sizeof(factor));
    return factor;
  };
  v1::Scale scale;
  scale.set_rx(value(0));
  scale.set_ry(value(elements - 1));
  // 0 stands for rx in our own API; a client that writes it here did not mean that.
  if (scale.ry() == 0) return InvalidField(field, "0 is out of range");
  return scale;
}

}  // namespace

double MeantBy(float value) {
  char text[32];
  const auto end = std::to_chars(text, text + sizeof(text), value).ptr;
  double meant = value;
  return absl::SimpleAtod(absl::string_view(text, end - text), &meant) ? meant : value;
}

absl::StatusOr<InferInput> ReadInput(const inference::ModelInferRequest& request) {
  if (request.raw_input_contents_size() != 0 &&
      request.raw_input_contents_size() != request.inputs_size())
    return InvalidField("raw_input_contents", "one for each input is needed, in their order");
  if (request.raw_input_contents_size() != 0)
    for (const Tensor& tensor : request.inputs())
      if (tensor.has_contents())
        return InvalidField(FieldOfTensor(tensor),
                            "raw_input_contents or contents are allowed, not both");
  InferInput input;
  bool image = false;
  for (int i = 0; i < request.inputs_size(); ++i) {
    const Tensor& tensor = request.inputs(i);
    if (tensor.parameters().contains("shared_memory_region"))
      return absl::UnimplementedError("shared memory is not served; send the tensor's contents");
    if (tensor.name() == kScale && !input.scale) {
      HIIF_ASSIGN_OR_RETURN(input.scale, ReadScale(request, i));
    } else if (tensor.name() == kImage && !image) {
      image = true;
      if (tensor.datatype() == "BYTES") {
        HIIF_ASSIGN_OR_RETURN(input.file, FileOf(request, i));
        continue;
      }
      const TypeFacts* type = nullptr;
      for (const TypeFacts& one : kPixelTypes)
        if (tensor.datatype() == one.name) type = &one;
      if (type == nullptr)
        return InvalidField(
            FieldOfTensor(tensor),
            absl::StrCat(Quoted(tensor.datatype()), ": BYTES, UINT8, UINT16 or FP32 is allowed"));
      HIIF_RETURN_IF_ERROR(ReadPixels(request, i, *type, input.pixels.mutable_raw()));
    } else {
      return InvalidField(FieldOfTensor(tensor), "inputs are IMAGE and SCALE, once each");
    }
  }
  if (!image) return InvalidField("inputs.IMAGE", "it is missing");
  return input;
}

}  // namespace hiif::server::kserve
