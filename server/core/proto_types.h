// Types of samples and formats of files, between the API and the rooms below.
#ifndef SERVER_CORE_PROTO_TYPES_H_
#define SERVER_CORE_PROTO_TYPES_H_

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "base/image.h"
#include "hiif/v1/super_resolution.pb.h"
#include "imaging/format.h"

namespace hiif::server {

// InvalidArgument naming `field` for a value that is none. UNSPECIFIED: `otherwise`.
absl::StatusOr<SampleType> FromProto(absl::string_view field, v1::SampleType type,
                                     SampleType otherwise);
absl::StatusOr<ImageFormat> FromProto(absl::string_view field, v1::FileFormat format);

// UNSPECIFIED: the API has no such format.
v1::SampleType ToProto(SampleType type);
v1::FileFormat ToProto(ImageFormat format);

}  // namespace hiif::server

#endif  // SERVER_CORE_PROTO_TYPES_H_
