#include "base/file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <thread>
#include <vector>

namespace hiif {
namespace {

namespace fs = std::filesystem;

class FileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(::testing::TempDir()) /
              ::testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(FileTest, WritesAndReads) {
  const std::string path = (folder_ / "a").string();
  ASSERT_TRUE(WriteFileAtomically(path, "first").ok());
  ASSERT_TRUE(WriteFileAtomically(path, "second").ok());
  EXPECT_EQ(ReadFile(path).value(), "second");
  const auto mapped = MappedFile::Open(path);
  ASSERT_TRUE(mapped.ok());
  EXPECT_EQ((*mapped)->bytes().size(), 6u);
}

TEST_F(FileTest, AbandonedFileLeavesNothing) {
  const std::string path = (folder_ / "a").string();
  ASSERT_TRUE(WriteFileAtomically(path, "old").ok());
  {
    auto file = AtomicFile::Create(path);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE((*file)->Append("half").ok());
  }
  EXPECT_EQ(ReadFile(path).value(), "old");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(FileTest, ErrorsNameThePath) {
  const std::string missing = (folder_ / "no" / "file").string();
  EXPECT_EQ(ReadFile(missing).status().code(), absl::StatusCode::kNotFound);
  EXPECT_NE(ReadFile(missing).status().message().find(missing), std::string::npos);
  EXPECT_EQ(MappedFile::Open(missing).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(AtomicFile::Create(missing).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(MappedFile::Open(folder_.string()).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, RegularFilesAreReadByPosition) {
  const std::string path = (folder_ / "a").string();
  ASSERT_TRUE(WriteFileAtomically(path, "0123456789").ok());
  const auto file = RegularFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ((*file)->size(), 10);
  std::vector<uint8_t> bytes(4);
  ASSERT_TRUE((*file)->Read(3, absl::MakeSpan(bytes)).ok());
  EXPECT_EQ(std::string(bytes.begin(), bytes.end()), "3456");
  EXPECT_TRUE((*file)->CheckUnchanged().ok());
  // Another file under the same name is not this one.
  ASSERT_TRUE(WriteFileAtomically(path, "new").ok());
  EXPECT_TRUE((*file)->Read(6, absl::MakeSpan(bytes)).ok());
}

TEST_F(FileTest, RegularFilesThatChangeAreNoticed) {
  const std::string path = (folder_ / "a").string();
  ASSERT_TRUE(WriteFileAtomically(path, "0123456789").ok());
  const auto file = RegularFile::Open(path);
  ASSERT_TRUE(file.ok()) << file.status();
  fs::resize_file(path, 5);
  std::vector<uint8_t> bytes(4);
  EXPECT_EQ((*file)->Read(3, absl::MakeSpan(bytes)).code(), absl::StatusCode::kAborted);
  EXPECT_EQ((*file)->CheckUnchanged().code(), absl::StatusCode::kAborted);
}

TEST_F(FileTest, OpeningNeverWaits) {
  const std::string pipe = (folder_ / "pipe").string();
  ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
  for (const std::string& path : {pipe, std::string("/dev/zero"), folder_.string()}) {
    EXPECT_EQ(RegularFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(MappedFile::Open(path).status().code(), absl::StatusCode::kInvalidArgument) << path;
  }
}

TEST_F(FileTest, FoldersAreListed) {
  ASSERT_TRUE(WriteFileAtomically((folder_ / "a").string(), "x").ok());
  fs::create_symlink("b", folder_ / "b");
  std::error_code error;
  EXPECT_EQ(ListFolder(folder_.string(), error).size(), 2u);
  EXPECT_FALSE(error);
  EXPECT_TRUE(ListFolder((folder_ / "a").string(), error).empty());
  EXPECT_TRUE(error);
}

TEST_F(FileTest, HardLinksAreKeptWhereTheyAreAskedFor) {
  const std::string a = (folder_ / "a").string();
  const std::string b = (folder_ / "b").string();
  ASSERT_TRUE(WriteFileAtomically(a, "a long old text").ok());
  fs::create_hard_link(a, b);
  auto file = AtomicFile::Create(b, HardLinks::kWriteThrough);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("new").ok());
  EXPECT_EQ(*ReadFile(a), "a long old text") << "before it is whole";
  ASSERT_TRUE((*file)->Commit().ok());
  EXPECT_EQ(*ReadFile(a), "new");
  EXPECT_TRUE(fs::equivalent(a, b));
  ASSERT_TRUE(WriteFileAtomically(b, "other").ok());
  EXPECT_EQ(*ReadFile(a), "new");
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 2);
}

TEST_F(FileTest, WhatCannotBePutInItsPlaceIsNotLost) {
  const std::string path = (folder_ / "a").string();
  auto file = AtomicFile::Create(path);
  ASSERT_TRUE(file.ok()) << file.status();
  ASSERT_TRUE((*file)->Append("whole").ok());
  const std::string temporary = (*file)->temporary_path();
  fs::create_directory(path);
  const absl::Status status = (*file)->Commit();
  EXPECT_NE(status.message().find("lies in " + temporary), std::string::npos) << status;
  file->reset();
  EXPECT_EQ(*ReadFile(temporary), "whole");
}

TEST_F(FileTest, NamesThatAreTooLongAreKnownAtOnce) {
  EXPECT_TRUE(WriteFileAtomically((folder_ / std::string(255, 'n')).string(), "x").ok());
  EXPECT_FALSE(AtomicFile::Create((folder_ / std::string(256, 'n')).string()).ok());
}

TEST_F(FileTest, WhatHasNoEndIsNotReadToIt) {
  const absl::Status endless = ReadFile("/dev/zero").status();
  EXPECT_EQ(endless.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(std::string(endless.message()).find("/dev/zero: longer than"), 0u) << endless;
  const std::string path = (folder_ / "text").string();
  ASSERT_TRUE(WriteFileAtomically(path, "four").ok());
  EXPECT_EQ(*ReadFile(path, 4), "four");
  EXPECT_EQ(ReadFile(path, 3).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(FileTest, LinksMayBeKeptWithinAFolder) {
  const std::string inside = (folder_ / "in").string();
  fs::create_directories(inside + "/data");
  fs::create_directories(folder_ / "in-beside");
  ASSERT_TRUE(WriteFileAtomically((folder_ / "in-beside" / "secret").string(), "s").ok());
  ASSERT_TRUE(WriteFileAtomically(inside + "/data/v1", "1").ok());
  fs::create_symlink("../in-beside/secret", inside + "/out");
  fs::create_symlink("data/v1", inside + "/current");
  fs::create_symlink(inside, folder_ / "alias");
  EXPECT_TRUE(RegularFile::Open(inside + "/current", inside).ok());
  // The folder itself may be a link, as a mounted volume's often is.
  const std::string alias = (folder_ / "alias").string();
  EXPECT_TRUE(RegularFile::Open(alias + "/current", alias).ok());
  EXPECT_EQ(RegularFile::Open(inside + "/out", inside).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(RegularFile::Open(inside + "/out").ok()) << "no folder was named";
}

// The mask is the process's: threads that look at it at once must not take it off.
TEST_F(FileTest, ManyThreadsKeepTheMask) {
  const mode_t before = umask(027);
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 50; ++i)
        ASSERT_TRUE(WriteFileAtomically((folder_ / std::to_string(t * 50 + i)).string(), "x").ok());
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(umask(before), 027u);
}

}  // namespace
}  // namespace hiif
