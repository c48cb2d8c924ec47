// Lines of --log-format json.
#ifndef CLIENT_CLI_JSON_LINE_H_
#define CLIENT_CLI_JSON_LINE_H_

#include <string>

#include "nlohmann/json.hpp"

namespace hiif::cli {

// Without its end. Names are bytes and JSON is UTF-8: what is none is replaced.
inline std::string JsonLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace hiif::cli

#endif  // CLIENT_CLI_JSON_LINE_H_
