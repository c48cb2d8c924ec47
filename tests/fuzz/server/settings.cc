// The file of --config, the environment's texts, and what is printed of them.
#include "server/config/config.h"
#include "tests/fuzz/target.h"

using hiif::server::ServerConfig;

FUZZ_TARGET(settings) {
  ServerConfig config = hiif::server::DefaultConfig();
  if (hiif::server::SetFromJson(bytes, &config).ok()) {
    // What is printed is read back as the same settings.
    ServerConfig again = hiif::server::DefaultConfig();
    const std::string printed = hiif::server::ConfigToJson(config);
    FUZZ_CHECK(hiif::server::SetFromJson(printed, &again).ok());
    FUZZ_CHECK(hiif::server::ConfigToJson(again) == printed);
    hiif::server::ValidateConfig(config).IgnoreError();
  }
  const size_t equals = bytes.find('=');
  if (equals == absl::string_view::npos) return;
  hiif::server::SetFromText(bytes.substr(0, equals), bytes.substr(equals + 1), &config)
      .IgnoreError();
}
