#include "server/config/config.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/address.h"

namespace hiif::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

absl::StatusOr<CommandLine> Parse(std::vector<std::string> arguments,
                                  std::map<std::string, std::string> environment = {}) {
  return ParseCommandLine(std::move(arguments), [&](const char* name) -> const char* {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

std::string TemporaryFile(const std::string& name, const std::string& text) {
  const std::string path = testing::TempDir() + name;
  EXPECT_TRUE(WriteFileAtomically(path, text).ok());
  return path;
}

TEST(Config, EveryDefaultCanBeReadAndTheWholeIsValid) {
  const auto* descriptor = ServerConfig::descriptor();
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto& setting = descriptor->field(i)->options().GetExtension(config::v1::setting);
    EXPECT_FALSE(setting.help().empty()) << descriptor->field(i)->name();
    ServerConfig config;
    EXPECT_TRUE(setting.default_().empty() ||
                SetFromText(descriptor->field(i)->name(), setting.default_(), &config).ok())
        << descriptor->field(i)->name();
  }
  const ServerConfig config = DefaultConfig();
  EXPECT_TRUE(ValidateConfig(config).ok()) << ValidateConfig(config);
  EXPECT_THAT(config.listen(), ElementsAre("127.0.0.1:8500"));
  EXPECT_EQ(config.max_receive_bytes(), 32 << 20);
  EXPECT_EQ(ToDuration(config.shutdown_grace()), absl::Seconds(120));
  EXPECT_FALSE(config.reflection());
  EXPECT_FALSE(config.channelz());
}

TEST(Config, FlagWinsOverEnvironmentOverFileOverDefault) {
  const std::string file = TemporaryFile(
      "precedence.json",
      R"({"tile_size": 64, "workers": 3, "write_timeout": "7s", "listen": ["unix:/tmp/a"]})");
  const auto parsed = Parse({"--config", file, "--tile-size=128"},
                            {{"HIIF_TILE_SIZE", "96"}, {"HIIF_WORKERS", "5"}});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.tile_size(), 128);
  EXPECT_EQ(parsed->config.workers(), 5);
  EXPECT_EQ(ToDuration(parsed->config.write_timeout()), absl::Seconds(7));
  EXPECT_THAT(parsed->config.listen(), ElementsAre("unix:/tmp/a"));
  EXPECT_EQ(parsed->config.max_rpcs(), 512);
}

TEST(Config, TheFileMayComeFromTheEnvironment) {
  const std::string file = TemporaryFile("env.json", R"({"workers": 3})");
  const auto parsed = Parse({}, {{"HIIF_CONFIG", file}});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->config.workers(), 3);
}

TEST(Config, FlagsOfEveryType) {
  const auto parsed =
      Parse({"--insecure-listen", "--reflection=true", "--listen", "0.0.0.0:1, unix:/tmp/s",
             "--max-receive-bytes", "64MiB", "--shutdown-delay", "0", "--management-listen", ""});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->config.insecure_listen());
  EXPECT_TRUE(parsed->config.reflection());
  EXPECT_THAT(parsed->config.listen(), ElementsAre("0.0.0.0:1", "unix:/tmp/s"));
  EXPECT_EQ(parsed->config.max_receive_bytes(), 64 << 20);
  EXPECT_EQ(ToDuration(parsed->config.shutdown_delay()), absl::ZeroDuration());
  EXPECT_EQ(parsed->config.management_listen(), "");
  EXPECT_TRUE(ValidateConfig(parsed->config).ok());
}

TEST(Config, PrintedConfigurationReadsBackAsItself) {
  auto parsed = Parse({"--print-config", "--listen=unix:/a,127.0.0.1:0", "--write-timeout=1500ms",
                       "--feature-cache-bytes=0"});
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_TRUE(parsed->print_config);
  ServerConfig back;
  const auto status = SetFromJson(ConfigToJson(parsed->config), &back);
  ASSERT_TRUE(status.ok()) << status << "\n" << ConfigToJson(parsed->config);
  EXPECT_EQ(back.SerializeAsString(), parsed->config.SerializeAsString())
      << back.DebugString() << parsed->config.DebugString();
}

TEST(Config, MistakesAreNamed) {
  EXPECT_THAT(std::string(Parse({"--tilesize=3"}).status().message()), HasSubstr("tilesize"));
  EXPECT_THAT(std::string(Parse({"--workers=many"}).status().message()), HasSubstr("--workers"));
  EXPECT_THAT(std::string(Parse({"--write-timeout=-1s"}).status().message()),
              HasSubstr("--write-timeout"));
  EXPECT_THAT(std::string(Parse({}, {{"HIIF_REFLECTION", "maybe"}}).status().message()),
              HasSubstr("HIIF_REFLECTION"));
  EXPECT_TRUE(absl::IsNotFound(Parse({"--config", "/no/such/file.json"}).status()));
  const std::string unknown = TemporaryFile("unknown.json", R"({"tile_sice": 64})");
  EXPECT_THAT(std::string(Parse({"--config", unknown}).status().message()),
              testing::AllOf(HasSubstr(unknown), HasSubstr("tile_sice")));
  const std::string broken = TemporaryFile("broken.json", R"({"tile_size": )");
  EXPECT_THAT(std::string(Parse({"--config", broken}).status().message()), HasSubstr("not JSON"));
  const std::string type = TemporaryFile("type.json", R"({"tile_size": {"a": 1}})");
  EXPECT_THAT(std::string(Parse({"--config", type}).status().message()), HasSubstr("tile_size"));
}

absl::Status Validate(std::vector<std::string> arguments) {
  auto parsed = Parse(std::move(arguments));
  if (!parsed.ok()) return parsed.status();
  return ValidateConfig(parsed->config);
}

TEST(Config, ValidationSaysWhatToDo) {
  EXPECT_THAT(std::string(Validate({"--listen=0.0.0.0:8500"}).message()),
              HasSubstr("--insecure-listen"));
  EXPECT_TRUE(Validate({"--listen=0.0.0.0:8500", "--insecure-listen"}).ok());
  EXPECT_TRUE(Validate({"--listen=0.0.0.0:1", "--tls-certificate=c", "--tls-key=k"}).ok());
  EXPECT_THAT(std::string(Validate({"--tls-certificate=c"}).message()), HasSubstr("--tls-key"));
  EXPECT_THAT(std::string(Validate({"--tls-client-ca=c"}).message()), HasSubstr("--tls-client-ca"));
  EXPECT_THAT(std::string(Validate({"--listen="}).message()), HasSubstr("--listen"));
  EXPECT_THAT(std::string(Validate({"--listen=8500"}).message()), HasSubstr("--listen"));
  EXPECT_THAT(std::string(Validate({"--tile-size=8"}).message()), HasSubstr("--tile-size"));
  EXPECT_THAT(std::string(Validate({"--backend=fast"}).message()), HasSubstr("--backend"));
  EXPECT_THAT(std::string(Validate({"--log-format=xml"}).message()), HasSubstr("--log-format"));
  EXPECT_THAT(std::string(Validate({"--management-listen=unix:/a"}).message()),
              HasSubstr("--management-listen"));
}

// Whoever sets a time to 0 finds in the help what that means, or is refused.
TEST(Config, ZeroOfEveryTimeIsTold) {
  const auto* descriptor = ServerConfig::descriptor();
  int times = 0;
  for (int i = 0; i < descriptor->field_count(); ++i) {
    const auto& field = *descriptor->field(i);
    if (field.is_repeated() || field.message_type() == nullptr) continue;
    ++times;
    ServerConfig config = DefaultConfig();
    ASSERT_TRUE(SetFromText(field.name(), "0", &config).ok()) << field.name();
    const std::string& help = field.options().GetExtension(config::v1::setting).help();
    const absl::Status valid = ValidateConfig(config);
    EXPECT_NE(valid.ok(), help.find("0: ") == std::string::npos)
        << field.name() << ": " << help << " " << valid;
  }
  EXPECT_GE(times, 10);
  for (const char* flag : {"stuck-after", "tls-reload-interval", "max-decode-time"})
    EXPECT_THAT(std::string(Validate({absl::StrCat("--", flag, "=0s")}).message()),
                HasSubstr(absl::StrCat("--", flag)));
}

TEST(Address, Forms) {
  EXPECT_EQ(ParseAddress("127.0.0.1:80")->ToString(), "127.0.0.1:80");
  EXPECT_EQ(ParseAddress("[::1]:80")->ToString(), "[::1]:80");
  EXPECT_EQ(ParseAddress(":80")->ToString(), "[::]:80");
  for (const char* all : {"[::]:80", "[::0]:80", "[0:0:0:0:0:0:0:0]:80", "[0::]:80"})
    EXPECT_EQ(ParseAddress(all)->ToString(), "[::]:80") << all;
  EXPECT_EQ(ParseAddress("[::ffff:127.0.0.1]:80")->ToString(), "127.0.0.1:80");
  EXPECT_TRUE(ParseAddress("[::FFFF:7f00:1]:80")->loopback());
  EXPECT_FALSE(ParseAddress("[::ffff:10.0.0.1]:80")->loopback());
  EXPECT_EQ(ParseAddress("unix:/tmp/x")->ToString(), "unix:/tmp/x");
  EXPECT_FALSE(ParseAddress("::1:80").ok());
  EXPECT_FALSE(ParseAddress("host").ok());
  EXPECT_FALSE(ParseAddress("host:70000").ok());
  EXPECT_FALSE(ParseAddress("unix:").ok());
  EXPECT_TRUE(ParseAddress("127.8.0.1:80")->loopback());
  EXPECT_TRUE(ParseAddress("[::1]:80")->loopback());
  EXPECT_TRUE(ParseAddress("unix:/tmp/x")->loopback());
  EXPECT_FALSE(ParseAddress(":80")->loopback());
  EXPECT_FALSE(ParseAddress("10.0.0.1:80")->loopback());
}

}  // namespace
}  // namespace hiif::server
