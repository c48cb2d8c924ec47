// The file of --config, the environment's texts, and what is printed of them.
#include <cstdint>

#include "server/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  hiif::server::ServerConfig config = hiif::server::DefaultConfig();
  if (hiif::server::SetFromJson(text, &config).ok()) {
    hiif::server::ServerConfig again = hiif::server::DefaultConfig();
    // What is printed is read back as the same settings.
    const std::string printed = hiif::server::ConfigToJson(config);
    if (!hiif::server::SetFromJson(printed, &again).ok()) __builtin_trap();
    if (hiif::server::ConfigToJson(again) != printed) __builtin_trap();
    hiif::server::ValidateConfig(config).IgnoreError();
  }
  const size_t equals = text.find('=');
  if (equals != absl::string_view::npos)
    hiif::server::SetFromText(text.substr(0, equals), text.substr(equals + 1), &config)
        .IgnoreError();
  return 0;
}
