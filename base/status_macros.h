// Early returns for absl::Status and absl::StatusOr.
#ifndef BASE_STATUS_MACROS_H_
#define BASE_STATUS_MACROS_H_

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define HIIF_CONCAT_INNER(a, b) a##b
#define HIIF_CONCAT(a, b) HIIF_CONCAT_INNER(a, b)

// HIIF_RETURN_IF_ERROR(DoSomething());
#define HIIF_RETURN_IF_ERROR(expr)             \
  do {                                         \
    absl::Status hiif_status = (expr);         \
    if (!hiif_status.ok()) return hiif_status; \
  } while (false)

// HIIF_ASSIGN_OR_RETURN(auto value, Compute());
#define HIIF_ASSIGN_OR_RETURN(lhs, expr) \
  HIIF_ASSIGN_OR_RETURN_IMPL(HIIF_CONCAT(hiif_status_or_, __LINE__), lhs, expr)
// `lhs` is a declaration and the other a name: parentheses would not compile.
// NOLINTBEGIN(bugprone-macro-parentheses)
#define HIIF_ASSIGN_OR_RETURN_IMPL(statusor, lhs, expr) \
  auto statusor = (expr);                               \
  if (!statusor.ok()) return statusor.status();         \
  lhs = std::move(statusor).value()
// NOLINTEND(bugprone-macro-parentheses)

#endif  // BASE_STATUS_MACROS_H_
