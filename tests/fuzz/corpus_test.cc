// The corpora of the fuzz targets, once through their targets: no clang is needed.
#include <filesystem>
#include <map>
#include <string>

#include "base/file.h"
#include "tests/fuzz/target.h"

namespace hiif::fuzz {
namespace {

using Target = void (*)(absl::string_view);

std::map<std::string, Target>& Targets() {
  static auto* targets = new std::map<std::string, Target>;
  return *targets;
}

class CorpusTest : public testing::Test {
 public:
  CorpusTest(std::string name, Target target) : name_(std::move(name)), target_(target) {}
  void TestBody() override {
    int files = 0;
    for (const auto& entry : std::filesystem::directory_iterator("tests/fuzz/corpus/" + name_)) {
      SCOPED_TRACE(entry.path().string());
      const auto bytes = ReadFile(entry.path().string());
      ASSERT_TRUE(bytes.ok()) << bytes.status();
      target_(*bytes);
      ++files;
    }
    EXPECT_GT(files, 0);
  }

 private:
  const std::string name_;
  const Target target_;
};

}  // namespace

bool Register(const char* name, Target target) { return Targets().emplace(name, target).second; }

}  // namespace hiif::fuzz

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  for (const auto& [name, target] : hiif::fuzz::Targets())
    testing::RegisterTest("Corpus", name.c_str(), nullptr, nullptr, __FILE__, __LINE__,
                          [name = name, target = target]() -> testing::Test* {
                            return new hiif::fuzz::CorpusTest(name, target);
                          });
  return RUN_ALL_TESTS();
}
