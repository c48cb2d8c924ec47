// hiif query: the implicit function of a picture at positions of the user's.
#include <iostream>
#include <sstream>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/input_stream.h"
#include "client/cli/picture_bytes.h"
#include "imaging/probe.h"

namespace hiif::cli {
namespace {

// "x,y" in pixels of the input, 0,0 its upper left corner: both as the positions of the API.
absl::Status AddPosition(absl::string_view text, Grid size, v1::QueryRequest* request) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, ',');
  double x = 0;
  double y = 0;
  if (parts.size() != 2 || !absl::SimpleAtod(parts[0], &x) || !absl::SimpleAtod(parts[1], &y) ||
      !(x >= 0 && x <= static_cast<double>(size.width)) ||
      !(y >= 0 && y <= static_cast<double>(size.height)))
    return absl::InvalidArgumentError(
        absl::StrFormat("\"%s\" is not x,y inside the picture, 0 to %d and 0 to %d", text,
                        size.width, size.height));
  request->add_coordinates(2 * y / static_cast<double>(size.height) - 1);
  request->add_coordinates(2 * x / static_cast<double>(size.width) - 1);
  return absl::OkStatus();
}

absl::Status Query(const QueryFlags& flags, Connection& connection) {
  if (!(flags.scale >= 1 && flags.scale <= 32))
    return absl::InvalidArgumentError("--scale: a factor of 1 to 32 is allowed");
  v1::QueryRequest request;
  absl::StatusOr<std::string> file = ReadPicture(flags.input, connection.call().stop);
  if (!file.ok()) return WithName(flags.input, file.status());
  // Only the header is read here; the server has the limit.
  const auto info = Probe(*file, kNoImageLimits);
  if (!info.ok()) return WithName(flags.input, info.status());
  *request.mutable_image()->mutable_encoded() = *std::move(file);
  std::vector<std::string> positions = flags.positions;
  if (positions.empty()) {
    HIIF_ASSIGN_OR_RETURN(const std::string text, ReadAll("-", connection.call().stop));
    positions = absl::StrSplit(text, '\n', absl::SkipEmpty());
  }
  for (const std::string& position : positions)
    HIIF_RETURN_IF_ERROR(AddPosition(position, info->size, &request));
  request.set_model(flags.model);
  request.set_cell_row(2 / (static_cast<double>(info->size.height) * flags.scale));
  request.set_cell_column(2 / (static_cast<double>(info->size.width) * flags.scale));
  HIIF_ASSIGN_OR_RETURN(const v1::QueryResponse response,
                        connection.client().Query(request, connection.call()));
  for (const std::string& warning : response.warnings()) PrintWarning(flags.input, warning);
  for (size_t i = 0; i < positions.size(); ++i)
    std::cout << absl::StrFormat(
        "%s\t%.6f\t%.6f\t%.6f\n", positions[i], response.rgb(static_cast<int>(3 * i)),
        response.rgb(static_cast<int>(3 * i + 1)), response.rgb(static_cast<int>(3 * i + 2)));
  return absl::OkStatus();
}

}  // namespace

int RunQuery(const QueryFlags& flags, const Interrupt& interrupt) {
  auto connection = Connection::Open(flags.connection, interrupt.token(), flags.model);
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!connection.ok()) return Fail("query", connection.status());
  const absl::Status status = Query(flags, **connection);
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  return status.ok() ? kExitOk : Fail("query", (*connection)->Explain(status));
}

}  // namespace hiif::cli
