// Pictures and errors as messages of jail.proto, and back. What comes back from a decoder process
// is checked: whoever broke it may write anything.
#ifndef JAIL_MESSAGES_H_
#define JAIL_MESSAGES_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "hiif/jail/v1/jail.pb.h"
#include "imaging/picture.h"
#include "imaging/probe.h"

namespace hiif {

jail::v1::Answer ErrorAnswer(const absl::Status& status);
jail::v1::Answer InfoAnswer(const ImageInfo& info);
// Without the samples.
jail::v1::Answer PictureAnswer(const Picture& picture);

// The error that an answer is.
absl::Status StatusOf(const jail::v1::Answer& answer);
// Internal where a member is not what a Probe can say.
absl::StatusOr<ImageInfo> InfoOf(const jail::v1::Answer& answer);
// A picture whose planes have their sizes and no contents. Internal where it is not of the size,
// channels and type that `info` promised, or its bytes do not fit it.
absl::StatusOr<Picture> EmptyPictureOf(const jail::v1::Answer& answer, const ImageInfo& info,
                                       RgbImage* colour);

}  // namespace hiif

#endif  // JAIL_MESSAGES_H_
