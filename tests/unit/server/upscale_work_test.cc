// What a request goes through between its handler and the workers.
#include "server/core/upscale_work.h"

#include <gmock/gmock.h>

#include <new>
#include <stdexcept>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "imaging/sink.h"
#include "imaging/writer.h"
#include "server/core/call_handler.h"
#include "server/core/query_work.h"
#include "server/errors/errors.h"
#include "server/errors/guarded.h"
#include "tests/testing/work_fixture.h"

namespace hiif::server {
namespace {

using hiif::testing::FakeCall;
using ::testing::HasSubstr;

class UpscaleWorkTest : public hiif::testing::WorkFixture {
 protected:
  void TakeAll(UpscaleWork& work, const Call& call) {
    for (int64_t i = 0; i < plan_.tiles(); ++i) {
      const auto tile = work.TakeTile(i, call);
      ASSERT_TRUE(tile.ok()) << tile.status();
      EXPECT_TRUE(Right(i, *tile));
    }
  }
};

TEST_F(UpscaleWorkTest, EveryTileComesOnceInOrder) {
  Start({.workers = 3});
  FakeCall call;
  const auto work = Work(50, 45, "a");
  ASSERT_TRUE(Submit(work, call).ok());
  const auto picture = work->WaitForPicture(call);
  ASSERT_TRUE(picture.ok());
  EXPECT_EQ((*picture)->channels, 3);
  TakeAll(*work, call);
  work->Cancel(absl::CancelledError("done"));
  EXPECT_EQ(script_.encoded, 3);
  EXPECT_EQ(script_.contexts, 1);
  const auto times = work->Times();
  EXPECT_GE(times.queue(), 0);
  EXPECT_EQ(scheduler_->Statistics().jobs, 0);
}

TEST_F(UpscaleWorkTest, ThePictureThatCameBeforeIsNotEncodedAgain) {
  Start({.workers = 2});
  FakeCall call;
  for (int round = 0; round < 2; ++round) {
    const auto work = Work(20, 20, "a");
    EXPECT_EQ(work->features_cached(), round == 1);
    ASSERT_TRUE(Submit(work, call).ok());
    TakeAll(*work, call);
    work->Cancel(absl::CancelledError("done"));
  }
  EXPECT_EQ(script_.encoded, 3);
  EXPECT_EQ(script_.contexts, 1);
  const auto other = Work(20, 20, "b");
  EXPECT_FALSE(other->features_cached());
}

TEST_F(UpscaleWorkTest, NoMoreTilesAreComputedAheadThanAllowed) {
  Start({.workers = 2});
  FakeCall call;
  const auto work = Work(64, 64, "a", /*tiles_ahead=*/2);  // 16 tiles
  ASSERT_TRUE(Submit(work, call).ok());
  ASSERT_TRUE(work->TakeTile(0, call).ok());
  for (int i = 0; i < 10'000 && script_.renders < 3; ++i) absl::SleepFor(absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(script_.renders, 3);  // one taken, two ahead
  work->Cancel(absl::CancelledError("enough"));
}

TEST_F(UpscaleWorkTest, CancelReachesIntoABlockAndWaitsForIt) {
  Start({.workers = 2});
  absl::Notification begun;
  std::atomic<bool> running = false;
  script_.blocks = 1;
  script_.on_encode = [&](int, const Heartbeat& beat) {
    running = true;
    begun.Notify();
    while (beat()) absl::SleepFor(absl::Milliseconds(1));
    running = false;
    return absl::CancelledError("given up");
  };
  FakeCall call;
  const auto work = Work(20, 20, "a");
  ASSERT_TRUE(Submit(work, call).ok());
  begun.WaitForNotification();
  work->Cancel(absl::CancelledError("the client left"));
  EXPECT_FALSE(running);
  EXPECT_EQ(script_.renders, 0);
  EXPECT_TRUE(absl::IsCancelled(work->TakeTile(0, call).status()));
}

// A block that goes on until its beat says that nobody wants it; not for ever, where none says so.
absl::Status RunUntilTold(const Heartbeat& beat, std::atomic<bool>& told) {
  for (int i = 0; i < 10'000 && !told; ++i) {
    told = !beat();
    absl::SleepFor(absl::Milliseconds(1));
  }
  return absl::CancelledError("given up");
}

// Defect: only a handler's Cancel reached into a piece: when the server shut down, a block ran to
// its end, and the process was over before the client heard of it.
TEST_F(UpscaleWorkTest, TheEndOfTheServerReachesIntoABlock) {
  Start({.workers = 2});
  absl::Notification begun;
  std::atomic<bool> told = false;
  script_.blocks = 1;
  script_.on_encode = [&](int, const Heartbeat& beat) {
    begun.Notify();
    return RunUntilTold(beat, told);
  };
  FakeCall call;
  const auto work = Work(20, 20, "a");
  ASSERT_TRUE(Submit(work, call).ok());
  begun.WaitForNotification();
  EXPECT_EQ(scheduler_->Drain(absl::ZeroDuration()), 1);
  EXPECT_TRUE(told);
  EXPECT_TRUE(absl::IsUnavailable(work->TakeTile(0, call).status()));
}

TEST_F(UpscaleWorkTest, AFailedBlockEndsThoseBesideIt) {
  Start({.workers = 2});
  absl::Notification begun;
  std::atomic<bool> told = false;
  script_.blocks = 2;
  script_.on_encode = [&](int block, const Heartbeat& beat) -> absl::Status {
    if (block == 1) {
      begun.WaitForNotification();
      return absl::InternalError("broken block");
    }
    begun.Notify();
    return RunUntilTold(beat, told);
  };
  FakeCall call;
  const auto work = Work(20, 20, "a");
  ASSERT_TRUE(Submit(work, call).ok());
  EXPECT_TRUE(absl::IsInternal(work->TakeTile(0, call).status()));
  EXPECT_TRUE(told);
}

TEST_F(UpscaleWorkTest, AHandlerThatWaitsHearsThatItsCallIsOver) {
  Start({.workers = 1});
  absl::Notification begun, end;
  script_.on_encode = [&](int block, const Heartbeat&) {
    if (block == 0) {
      begun.Notify();
      end.WaitForNotification();
    }
    return absl::OkStatus();
  };
  FakeCall call;
  const auto work = Work(20, 20, "a");
  ASSERT_TRUE(Submit(work, call).ok());
  call.WhenDead([&] { work->Wake(); });
  absl::Status status;
  std::thread handler([&] { status = work->TakeTile(0, call).status(); });
  begun.WaitForNotification();
  call.Die();
  handler.join();  // although the block still runs
  EXPECT_THAT(std::string(status.message()), HasSubstr("the client is gone"));
  end.Notify();
  call.WhenDead(nullptr);
  work->Cancel(status);
}

TEST_F(UpscaleWorkTest, AFailedPieceIsTheErrorOfTheCall) {
  Start({.workers = 2});
  script_.on_render = [](absl::Span<const RenderTile> tiles) {
    return tiles[0].region.y >= 32 ? absl::InternalError("not finite") : absl::OkStatus();
  };
  FakeCall call;
  const auto work = Work(32, 16, "a");  // two tiles, one below the other
  ASSERT_TRUE(Submit(work, call).ok());
  const auto first = work->TakeTile(0, call);
  if (first.ok()) {
    EXPECT_TRUE(Right(0, *first));
  }
  const absl::Status status = work->TakeTile(1, call).status();
  EXPECT_TRUE(absl::IsInternal(status)) << status;
  work->Cancel(status);
}

// Defect: an exception ended the worker's thread for good, and the client was told INTERNAL.
TEST_F(UpscaleWorkTest, NoMemoryCostsOneRequestAndNoWorker) {
  Start({.workers = 1});
  FakeCall call;
  for (const bool while_encoding : {true, false}) {
    if (while_encoding)
      script_.on_encode = [](int, const Heartbeat&) -> absl::Status { throw std::bad_alloc(); };
    else
      script_.on_render = [](absl::Span<const RenderTile>) -> absl::Status {
        throw std::bad_alloc();
      };
    const auto work = Work(20, 20, "a");
    ASSERT_TRUE(Submit(work, call).ok());
    const absl::Status status = work->TakeTile(0, call).status();
    EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
    EXPECT_EQ(ReasonOf(status), kReasonMemory);
    EXPECT_TRUE(RetryDelayOf(status).has_value());
    work->Cancel(status);
    script_.on_encode = nullptr;
    script_.on_render = nullptr;
  }
  const auto next = Work(20, 20, "a");
  ASSERT_TRUE(Submit(next, call).ok());
  TakeAll(*next, call);
  next->Cancel(absl::CancelledError("done"));
}

// Defect: on the thread of an upload or of an HTTP request it ended the process.
TEST(Guarded, AnExceptionIsTheErrorOfTheCall) {
  const absl::Status status = Guarded([]() -> absl::Status { throw std::bad_alloc(); });
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ(ReasonOf(status), kReasonMemory);
  EXPECT_TRUE(RetryDelayOf(status).has_value());
  EXPECT_TRUE(absl::IsInternal(Guarded([]() -> absl::Status { throw std::length_error("x"); })));
  EXPECT_TRUE(absl::IsNotFound(Guarded([] { return absl::NotFoundError("y"); })));
}

// Defect: an idle server took whatever came; what never fits is refused for good, with the limit.
TEST_F(UpscaleWorkTest, WhatNeverFitsIsRefusedAtOnce) {
  const auto room = [this](int64_t other) {
    const scheduling::OtherBytes stay{other, other};
    Start({.workers = 0, .max_bytes = 3'000'000, .other_bytes = [stay] { return stay; }});
    FakeCall call;
    return Submit(Work(256, 256, "a"), call);
  };
  script_.bytes_a_pixel = 16;  // 1 MiB of features
  EXPECT_TRUE(room(0).ok());
  // Weights and whatever else is in memory count.
  const absl::Status beside = room(2'000'000);
  EXPECT_EQ(ReasonOf(beside), kReasonTooLarge) << beside;
  script_.bytes_a_pixel = 100;
  const absl::Status status = room(0);
  EXPECT_TRUE(absl::IsResourceExhausted(status));
  EXPECT_EQ(ReasonOf(status), kReasonTooLarge);
  EXPECT_FALSE(RetryDelayOf(status).has_value());
  EXPECT_THAT(std::string(status.message()), HasSubstr("3000000"));
}

TEST_F(UpscaleWorkTest, ManyRequestsAtOnce) {
  Start({.workers = 3});
  std::vector<std::thread> handlers;
  Work(24, 24, "size");  // sets plan_ for Right()
  std::vector<std::shared_ptr<UpscaleWork>> works;
  for (int i = 0; i < 8; ++i) works.push_back(Work(24, 24, std::to_string(i % 3), 1));
  for (int i = 0; i < 8; ++i) {
    handlers.emplace_back([this, i, work = works[i]] {
      FakeCall call;
      ASSERT_TRUE(Submit(work, call).ok());
      for (int64_t tile = 0; tile < plan_.tiles(); ++tile) {
        const auto samples = work->TakeTile(tile, call);
        ASSERT_TRUE(samples.ok()) << samples.status();
        EXPECT_TRUE(Right(tile, *samples));
        if (i % 4 == 3) break;  // leaves in the middle
      }
      work->Cancel(absl::CancelledError("done"));
      work->Times();
      work->ReportStages();
    });
  }
  for (std::thread& handler : handlers) handler.join();
  EXPECT_EQ(scheduler_->Statistics().jobs, 0);
  EXPECT_EQ(scheduler_->Statistics().bytes, 0);
}

// Defect: a reader that read nothing held its tiles, its picture and its latent codes, of which
// nothing counted once they were computed.
TEST_F(UpscaleWorkTest, TheJobLastsUntilItsTilesAreSent) {
  Start({.workers = 2});
  FakeCall call;
  const auto work = Work(20, 20, "a", /*tiles_ahead=*/100);
  ASSERT_TRUE(Submit(work, call).ok());
  TakeAll(*work, call);
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(scheduler_->Statistics().bytes, work->Bytes());
  work->TilesSent();
  for (int i = 0; i < 5000 && scheduler_->Statistics().jobs > 0; ++i)
    absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(scheduler_->Statistics().bytes, 0);
  work->Cancel(absl::CancelledError("done"));
}

// Defect: where the cache had taken a GPU's memory, no request could be served any more.
TEST_F(UpscaleWorkTest, WhatTheCacheKeepsMakesRoom) {
  Start({.workers = 1});
  FakeCall call;
  const auto is_full = [this] { return cache_.bytes() > 0; };
  for (const bool while_encoding : {true, false}) {
    const auto before = Work(20, 20, while_encoding ? "a" : "b");
    ASSERT_TRUE(Submit(before, call).ok());
    TakeAll(*before, call);
    before->Cancel(absl::CancelledError("done"));
    ASSERT_TRUE(is_full());
  }
  script_.on_encode = [&](int, const Heartbeat&) {
    return is_full() ? absl::ResourceExhaustedError("no memory") : absl::OkStatus();
  };
  const auto work = Work(20, 20, "c");
  ASSERT_TRUE(Submit(work, call).ok());
  TakeAll(*work, call);
  work->Cancel(absl::CancelledError("done"));
}

// Defect: an encoder that takes images whole had every worker for minutes.
TEST_F(UpscaleWorkTest, LongBlocksLeaveAWorkerForOthers) {
  Start({.workers = 2});
  script_.blocks = 1;
  script_.encode_work = 1e13;  // hours
  absl::Notification begun, end;
  script_.on_encode = [&](int, const Heartbeat&) {
    if (!begun.HasBeenNotified()) {
      begun.Notify();
      end.WaitForNotification();
    }
    return absl::OkStatus();
  };
  FakeCall call;
  const auto long_one = Work(20, 20, "a");
  const auto another = Work(20, 20, "b");
  ASSERT_TRUE(Submit(long_one, call).ok());
  begun.WaitForNotification();
  ASSERT_TRUE(Submit(another, call).ok());
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(script_.encoded, 1);  // the second worker waits for something shorter
  end.Notify();
  TakeAll(*another, call);
  for (const auto& work : {long_one, another}) work->Cancel(absl::CancelledError("done"));
}

// A file whose header says what is wanted, and the first of which takes long to decode.
struct HeldFiles : PictureOpener {
  struct File : PictureFile {
    explicit File(HeldFiles* owner) : files(owner) {}
    absl::StatusOr<ImageInfo> Probe(const ImageLimits&, std::optional<int>,
                                    const IsCancelled&) const override {
      ImageInfo info;
      info.format = files->format;
      info.stored = info.size = files->size;
      info.channels = 3;
      return info;
    }
    absl::StatusOr<Picture> Decode(const ImageInfo& info, const DecodeOptions&) const override {
      if (++files->decoding == 1) files->end.WaitForNotification();
      const std::string samples(static_cast<size_t>(info.size.height * info.size.width * 3),
                                '\x80');
      return PictureFromSamples(info.size, 3, SampleType::kU8, samples, false);
    }
    HeldFiles* const files;
  };
  absl::StatusOr<std::unique_ptr<const PictureFile>> Open(absl::string_view) override {
    return std::make_unique<File>(this);
  }
  ImageFormat format = ImageFormat::kJxl;
  Grid size{1200, 1000};
  std::atomic<int> decoding = 0;
  absl::Notification end;
};

// Defect: one caller's files that take long to decode had every worker.
TEST_F(UpscaleWorkTest, FilesThatAreSlowToDecodeLeaveAWorkerForOthers) {
  Start({.workers = 2});
  HeldFiles files;
  FakeCall call;
  std::vector<std::shared_ptr<UpscaleWork>> works;
  for (const char* name : {"a", "b"}) {
    works.push_back(
        Over(ImageInput::FromFile("bytes", "image", {.opener = &files}), 1200, 1000, name));
    ASSERT_TRUE(Submit(works.back(), call).ok());
  }
  for (int i = 0; i < 10'000 && files.decoding == 0; ++i) absl::SleepFor(absl::Milliseconds(1));
  const auto small = Work(20, 20, "c");
  ASSERT_TRUE(Submit(small, call).ok());
  TakeAll(*small, call);
  absl::SleepFor(absl::Milliseconds(50));
  EXPECT_EQ(files.decoding, 1);
  files.end.Notify();
  ASSERT_TRUE(works[1]->WaitForPicture(call).ok());
  works.push_back(small);
  for (const auto& work : works) work->Cancel(absl::CancelledError("done"));
}

TEST(ImageInput, IsSlowToDecodeByFormatAndSize) {
  const auto slow = [](ImageFormat format, Grid size) {
    HeldFiles files;
    files.format = format;
    files.size = size;
    return ImageInput::FromFile("bytes", "image", {.opener = &files})->slow_to_decode();
  };
  EXPECT_FALSE(slow(ImageFormat::kAvif, {512, 512}));
  EXPECT_TRUE(slow(ImageFormat::kAvif, {2000, 1000}));
  EXPECT_TRUE(slow(ImageFormat::kHeic, {4000, 3000}));
  EXPECT_FALSE(slow(ImageFormat::kJpeg, {4000, 3000}));
  EXPECT_TRUE(slow(ImageFormat::kPng, {7000, 7000}));
}

// Defect: nobody could end a context of all output pixels (--context-samples 0), which may take
// hours, and every worker could be at one.
TEST_F(UpscaleWorkTest, CancelReachesIntoAContextWhichLeavesAWorkerForOthers) {
  Start({.workers = 2});
  absl::Notification begun;
  std::atomic<bool> told = false;
  script_.on_context = [&](const Heartbeat& beat) {
    if (!begun.HasBeenNotified()) begun.Notify();
    return RunUntilTold(beat, told);
  };
  FakeCall call;
  environment_.context_samples = 0;
  std::vector<std::shared_ptr<UpscaleWork>> works;
  for (const char* name : {"a", "b"}) {
    works.push_back(Work(400, 300, name));  // a context of 480,000
    ASSERT_TRUE(Submit(works.back(), call).ok());
  }
  begun.WaitForNotification();
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(script_.contexts, 1);
  works[1]->Cancel(absl::CancelledError("the client left"));
  works[0]->Cancel(absl::CancelledError("the client left"));
  EXPECT_TRUE(told);
}

// Defect: requests that were only asked about, or refused, counted as images that were encoded.
TEST_F(UpscaleWorkTest, OnlyWhatIsAdmittedCountsAtTheCache) {
  Start({.workers = 0, .max_jobs = 1});
  FakeCall call;
  const auto misses = [&] {
    const std::string text = metrics_.Text();
    const std::string name = "\nhiif_feature_cache_misses_total ";
    return std::stoi(text.substr(text.find(name) + name.size()));
  };
  const auto first = Work(20, 20, "a");
  ASSERT_TRUE(first->Estimate(call, 0, first->Bytes()).ok());
  EXPECT_EQ(misses(), 0);
  ASSERT_TRUE(Submit(first, call).ok());
  EXPECT_EQ(misses(), 1);
  EXPECT_FALSE(Submit(Work(20, 20, "b"), call).ok());
  EXPECT_EQ(misses(), 1);
  first->Cancel(absl::CancelledError("done"));
}

class FileWorkTest : public UpscaleWorkTest {
 protected:
  std::shared_ptr<UpscaleWork> FileWork(ImageFormat format, int tiles_ahead = 4) {
    plan_.file = FileOrder{.format = format};
    return Work(50, 45, "a", tiles_ahead);
  }
  std::string TakeFile(UpscaleWork& work, const Call& call) {
    std::string file;
    while (true) {
      const auto bytes = work.TakeBytes(call);
      EXPECT_TRUE(bytes.ok()) << bytes.status();
      if (!bytes.ok() || bytes->empty()) return file;
      file += *bytes;
    }
  }
  // The file that a writer makes of all rows at once.
  std::string Expected() const {
    std::string rows;
    for (int64_t y = 0; y < plan_.region.height; ++y) {
      for (int64_t x = 0; x < plan_.region.width; ++x) {
        for (int c = 0; c < 3; ++c)
          rows += static_cast<char>(hiif::testing::FakeUpscaler::Sample(y, x, c));
      }
    }
    WriterOptions options;
    options.format = plan_.file->format;
    options.size = {plan_.region.height, plan_.region.width};
    StringSink string;
    StreamSink sink([&](absl::string_view bytes) { return string.Append(bytes); });
    const auto writer = ImageWriter::Create(options, &sink);
    EXPECT_TRUE(writer.ok() && (*writer)->WriteRows(rows).ok() && (*writer)->Finish().ok());
    return string.bytes();
  }
};

TEST_F(FileWorkTest, TheWorkersMakeTheFile) {
  Start({.workers = 3});
  for (const ImageFormat format :
       {ImageFormat::kPng, ImageFormat::kJpeg, ImageFormat::kTiff, ImageFormat::kWebp}) {
    FakeCall call;
    const auto work = FileWork(format);
    ASSERT_TRUE(Submit(work, call).ok());
    const std::string file = TakeFile(*work, call);
    EXPECT_EQ(work->FilePixels(), plan_.region.pixels());
    EXPECT_EQ(file, Expected()) << FormatName(format);
    work->Cancel(absl::CancelledError("done"));
    EXPECT_GT(work->Times().file(), 0);
  }
  EXPECT_EQ(scheduler_->Statistics().jobs, 0);
}

// The bytes are the client's to take: until then no more tiles are made than `tiles_ahead`.
TEST_F(FileWorkTest, AReaderThatDoesNotReadHoldsTheTilesBack) {
  Start({.workers = 2});
  FakeCall call;
  const auto work = FileWork(ImageFormat::kPng, /*tiles_ahead=*/2);
  ASSERT_TRUE(Submit(work, call).ok());
  for (int i = 0; i < 10'000 && script_.renders < 2; ++i) absl::SleepFor(absl::Milliseconds(1));
  absl::SleepFor(absl::Milliseconds(20));
  EXPECT_EQ(script_.renders, 2);
  EXPECT_EQ(TakeFile(*work, call), Expected());
  work->Cancel(absl::CancelledError("done"));
}

// What has not been taken is memory of the job.
TEST_F(FileWorkTest, TheJobLastsUntilItsFileIsTaken) {
  Start({.workers = 2});
  FakeCall call;
  const auto work = FileWork(ImageFormat::kWebp, /*tiles_ahead=*/100);
  ASSERT_TRUE(Submit(work, call).ok());
  const auto bytes = work->TakeBytes(call);  // all of it: WebP comes whole
  ASSERT_TRUE(bytes.ok());
  EXPECT_EQ(*bytes, Expected());
  EXPECT_GT(scheduler_->Statistics().bytes, 0);
  EXPECT_EQ(*work->TakeBytes(call), "");
  for (int i = 0; i < 10'000 && scheduler_->Statistics().jobs > 0; ++i)
    absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(scheduler_->Statistics().bytes, 0);
  work->Cancel(absl::CancelledError("done"));
}

TEST_F(FileWorkTest, AFileThatNobodyWantsIsGivenUp) {
  Start({.workers = 1});
  FakeCall call;
  absl::Notification begun;
  script_.on_render = [&](absl::Span<const RenderTile> tiles) {
    if (tiles[0].region.y == 32 && !begun.HasBeenNotified()) begun.Notify();
    return absl::OkStatus();
  };
  const auto work = FileWork(ImageFormat::kPng, /*tiles_ahead=*/5);
  ASSERT_TRUE(Submit(work, call).ok());
  begun.WaitForNotification();
  work->Cancel(absl::CancelledError("the client left"));
  EXPECT_LT(work->FilePixels(), plan_.region.pixels());
  EXPECT_TRUE(absl::IsCancelled(work->TakeBytes(call).status()));
  EXPECT_EQ(scheduler_->Statistics().jobs, 0);
}

TEST_F(UpscaleWorkTest, AQueryIsAnsweredInOrder) {
  Start({.workers = 2});
  std::vector<Coordinate> coordinates;
  for (int i = 0; i < 10'000; ++i) coordinates.push_back({i * 1e-4, 0.5});
  auto& source = sources_.emplace_back();
  source.mutable_raw()->set_height(4);
  source.mutable_raw()->set_width(4);
  source.mutable_raw()->set_channels(3);
  source.mutable_raw()->set_samples(std::string(48, '\x80'));
  const auto work = std::make_shared<QueryWork>(
      environment_, WorkInput{model_, *ImageInput::FromSource(source, {}), "a", false, {}, {8, 8}},
      Cell{0.25, 0.25}, coordinates);
  FakeCall call;
  // Defect: one piece at work was counted, where every worker has one.
  const int64_t bytes = work->Bytes();
  script_.bytes_a_tile = 1'000'000;
  EXPECT_EQ(work->Bytes(), bytes + 2'000'000);
  ASSERT_TRUE(work->Submit(call, 0, bytes).ok());
  const auto rgb = work->TakeResult(call);
  ASSERT_TRUE(rgb.ok()) << rgb.status();
  ASSERT_EQ(rgb->size(), 30'000u);
  for (int i = 0; i < 10'000; ++i)
    ASSERT_FLOAT_EQ((*rgb)[i * 3], ToUnit(static_cast<float>(i * 1e-4)));
  work->Cancel(absl::CancelledError("done"));
}

}  // namespace
}  // namespace hiif::server
