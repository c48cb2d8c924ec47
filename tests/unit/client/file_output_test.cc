#include "client/cli/file_output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "imaging/probe.h"

namespace hiif::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

// Above what writers gather before they write.
constexpr int kSide = 1024;
constexpr int64_t kBytes = int64_t{3} * kSide * kSide;
constexpr char kStart[] = "P6\n1024 1024\n255\n";

v1::UpscaleHeader Header() {
  v1::UpscaleHeader header;
  header.set_output_width(kSide);
  header.set_output_height(kSide);
  header.mutable_region()->set_width(kSide);
  header.mutable_region()->set_height(kSide);
  header.set_channels(3);
  header.set_sample_type(v1::SAMPLE_TYPE_U8);
  header.mutable_grid()->set_tile_size(kSide);
  header.mutable_grid()->set_columns(1);
  header.mutable_grid()->set_rows(1);
  return header;
}

v1::Tile Tile() {
  v1::Tile tile;
  tile.set_width(kSide);
  tile.set_height(kSide);
  tile.set_samples(std::string(kBytes, 'x'));
  return tile;
}

std::string Whole() { return absl::StrCat(kStart, std::string(kBytes, 'x')); }

FileOutputOptions Options(const std::string& path) {
  FileOutputOptions options;
  options.path = path;
  options.format = ImageFormat::kPpm;
  options.part = {kSide, kSide};
  return options;
}

class FileOutputTest : public ::testing::Test {
 protected:
  void SetUp() override {
    root_ = fs::path(::testing::TempDir()) / "file_output_test";
    fs::remove_all(root_);
    fs::create_directories(root_);
  }

  // A pipe, and what comes out of it until nobody has it open for writing.
  std::string MakePipe() {
    const std::string path = (root_ / "pipe.ppm").string();
    EXPECT_EQ(mkfifo(path.c_str(), 0600), 0);
    reader_ = std::jthread([this, path] {
      auto read = ReadFile(path);
      if (read.ok()) received_ = *std::move(read);
    });
    return path;
  }
  std::string Received() {
    reader_.join();
    return received_;
  }

  fs::path root_;

 private:
  std::string received_;
  std::jthread reader_;
};

TEST_F(FileOutputTest, AFileBeginsAgain) {
  const std::string path = (root_ / "out.ppm").string();
  FileOutput output(Options(path));
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(output.Begin(Header()).ok());
    ASSERT_TRUE(output.Tile(Tile()).ok());
  }
  ASSERT_TRUE(output.Commit().ok());
  EXPECT_EQ(ReadFile(path).value(), Whole());
}

TEST_F(FileOutputTest, WhatWentIntoAPipeIsNotSentTwice) {
  const std::string path = MakePipe();
  {
    FileOutput output(Options(path));
    ASSERT_TRUE(output.Begin(Header()).ok());
    ASSERT_TRUE(output.Tile(Tile()).ok());
    const absl::Status again = output.Begin(Header());
    EXPECT_TRUE(absl::IsAborted(again)) << again;
    EXPECT_THAT(again.message(), HasSubstr(path));
  }
  const std::string received = Received();
  EXPECT_THAT(received, StartsWith(kStart));
  EXPECT_LE(received.size(), Whole().size());
}

TEST_F(FileOutputTest, NorIntoADevice) {
  FileOutput output(Options("/dev/null"));
  ASSERT_TRUE(output.Begin(Header()).ok());
  ASSERT_TRUE(output.Tile(Tile()).ok());
  EXPECT_TRUE(absl::IsAborted(output.Begin(Header())));
}

TEST_F(FileOutputTest, APipeThatGotNothingIsNotClosedBeforeTheEnd) {
  FileOutput output(Options(MakePipe()));
  for (int i = 0; i < 2; ++i) ASSERT_TRUE(output.Begin(Header()).ok());
  ASSERT_TRUE(output.Tile(Tile()).ok());
  ASSERT_TRUE(output.Commit().ok());
  EXPECT_EQ(Received(), Whole());
}

// Nobody opens the pipe, or nobody reads from it.
TEST_F(FileOutputTest, AStopEndsTheWaitForAReader) {
  const std::string path = (root_ / "pipe.ppm").string();
  ASSERT_EQ(mkfifo(path.c_str(), 0600), 0);
  for (const bool opened : {false, true}) {
    const int reader = opened ? open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC) : -1;
    std::stop_source source;
    FileOutputOptions options = Options(path);
    options.stop = source.get_token();
    FileOutput output(std::move(options));
    const std::jthread stopper([&source] {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      source.request_stop();
    });
    absl::Status status = output.Begin(Header());
    EXPECT_EQ(status.ok(), opened) << status;
    if (status.ok()) status = output.Tile(Tile());
    EXPECT_TRUE(absl::IsCancelled(status)) << status;
    if (reader >= 0) close(reader);
  }
}

// What is enlarged may be a part of the input: its pixels grow as all of them do.
TEST_F(FileOutputTest, PrintSizeIsThatOfThePart) {
  FileOutputOptions options = Options((root_ / "out.png").string());
  options.format = ImageFormat::kPng;
  options.part = {kSide / 4, kSide / 2};
  options.metadata.ppi_x = options.metadata.ppi_y = 300;
  options.metadata_options.ppi_mode = MetadataOptions::Ppi::kPrintSize;
  const std::string path = options.path;
  FileOutput output(std::move(options));
  ASSERT_TRUE(output.Begin(Header()).ok());
  ASSERT_TRUE(output.Tile(Tile()).ok());
  ASSERT_TRUE(output.Commit().ok());
  const auto info = Probe(ReadFile(path).value());
  ASSERT_TRUE(info.ok()) << info.status();
  EXPECT_NEAR(info->metadata.ppi_x, 600, 0.1);
  EXPECT_NEAR(info->metadata.ppi_y, 1200, 0.1);
}

}  // namespace
}  // namespace hiif::cli
