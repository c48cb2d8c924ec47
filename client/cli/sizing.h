// From the size flags to the size of an output.
#ifndef CLIENT_CLI_SIZING_H_
#define CLIENT_CLI_SIZING_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/image.h"
#include "client/cli/flags.h"

namespace hiif::cli {

// What is computed for one input.
struct OutputPlan {
  Grid whole;     // the enlargement of the whole input
  Region region;  // the part of it that is wanted
  Grid part;      // of the input that this part is made from
  Grid size() const { return {region.height, region.width}; }
};

// Flags that go together, checked before any file is looked at.
class Sizing {
 public:
  // InvalidArgument: more than one way to say a size, a factor that no image can have, a crop that
  // is not four numbers. Without any size flag the factor is 4.
  static absl::StatusOr<Sizing> Create(const SizeFlags& flags);

  // InvalidArgument: a size or a crop that does not fit this input (as oriented), a whole of more
  // than 2^31 - 1 pixels a side, which no request can ask for.
  absl::StatusOr<OutputPlan> Plan(Grid input) const;
  // For file names: "x2.7", "x2.7x3.1", "1920x1080", "8000w", "8mp" ... the size as it was said.
  std::string Label() const;

 private:
  absl::StatusOr<Grid> Size(Grid input) const;
  // Of any size.
  absl::StatusOr<OutputPlan> AnyPlan(Grid input) const;

  SizeFlags flags_;
  std::optional<Region> crop_;
};

}  // namespace hiif::cli

#endif  // CLIENT_CLI_SIZING_H_
