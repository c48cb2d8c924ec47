#include "client/client.h"

#include <chrono>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "client/output_buffer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/testing/tile_server.h"

namespace hiif::client {
namespace {

using ::hiif::testing::ExpectedSample;
using ::hiif::testing::Step;
using ::hiif::testing::TileServer;
using ::hiif::testing::WithRetryInfo;
using ::testing::HasSubstr;

const grpc::Status kUnavailable(grpc::StatusCode::UNAVAILABLE, "gone for a moment");

v1::RawImage Image(int width, int height) {
  v1::RawImage image;
  image.set_width(width);
  image.set_height(height);
  image.set_channels(3);
  image.set_samples(std::string(3 * width * height, 'x'));
  return image;
}

v1::UpscaleParameters Twice() {
  v1::UpscaleParameters parameters;
  parameters.mutable_scale()->set_rx(2);
  parameters.set_tile_size(64);
  return parameters;
}

// Back-off in milliseconds: a test should not take longer than it must.
std::unique_ptr<Client> Connect(const std::string& servers, RetryPolicy retry = {}) {
  ClientOptions options;
  options.servers = servers;
  options.retry = retry;
  options.retry.initial_backoff = absl::Milliseconds(1);
  options.retry.max_backoff = absl::Milliseconds(5);
  auto client = Client::Create(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

void ExpectWhole(const UpscaleOutput& output, int64_t width, int64_t height) {
  ASSERT_EQ(output.header.output_width(), width);
  ASSERT_EQ(output.header.output_height(), height);
  ASSERT_EQ(output.samples.size(), width * height * 3);
  int64_t wrong = 0;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c)
        wrong += static_cast<uint8_t>(output.samples[(y * width + x) * 3 + c]) !=
                 ExpectedSample(x, y, c);
  EXPECT_EQ(wrong, 0);
}

// Counts what it is told.
class CountingReceiver : public OutputBuffer {
 public:
  absl::Status Begin(const v1::UpscaleHeader& header) override {
    ++begins;
    return OutputBuffer::Begin(header);
  }
  absl::Status Tile(const v1::Tile& tile) override {
    tiles.push_back(tile.index());
    return result.ok() ? OutputBuffer::Tile(tile) : result;
  }
  int begins = 0;
  std::vector<int64_t> tiles;
  absl::Status result;
};

TEST(ClientTest, PutsTilesTogether) {
  TileServer server;
  const auto image = Image(100, 70);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
  ExpectWhole(*output, 200, 140);
  EXPECT_EQ(output->trailer.messages_sent(), 4 * 3);
}

TEST(ClientTest, ResumesAtTheTileThatIsDue) {
  TileServer server;
  server.SetScript(
      {{.fail = kUnavailable, .after_tiles = 5}, {.fail = kUnavailable, .after_tiles = 3}});
  const auto image = Image(100, 70);
  CountingReceiver receiver;
  int retries = 0;
  CallOptions call;
  call.on_retry = [&](const absl::Status& error, absl::Duration) {
    ++retries;
    EXPECT_TRUE(absl::IsUnavailable(error)) << error;
  };
  const auto trailer =
      Connect(server.address())->Upscale({.raw = &image}, Twice(), &receiver, call);
  ASSERT_TRUE(trailer.ok()) << trailer.status();
  ExpectWhole(receiver.Take(*trailer), 200, 140);
  EXPECT_EQ(receiver.begins, 1);
  EXPECT_EQ(retries, 2);
  const auto calls = server.calls();
  ASSERT_EQ(calls.size(), 3);
  EXPECT_EQ(calls[0].resume_token(), "");
  EXPECT_EQ(calls[1].first_tile(), 5);
  EXPECT_EQ(calls[2].first_tile(), 8);
  EXPECT_EQ(server.tiles_sent(), 12) << "nothing twice";
}

TEST(ClientTest, StartsOverWhereTheTokenIsNotKnown) {
  TileServer first;
  TileServer second;
  second.SetWeights("others");
  first.SetScript({{.fail = kUnavailable, .after_tiles = 5}});
  const auto image = Image(100, 70);
  CountingReceiver receiver;
  // The first call goes to the first server, and what failed is avoided for a while.
  const auto trailer = Connect(absl::StrCat(first.address(), ",", second.address()))
                           ->Upscale({.raw = &image}, Twice(), &receiver);
  ASSERT_TRUE(trailer.ok()) << trailer.status();
  ExpectWhole(receiver.Take(*trailer), 200, 140);
  EXPECT_EQ(receiver.begins, 2);
  EXPECT_EQ(first.calls().size(), 1);
  ASSERT_EQ(second.calls().size(), 2);
  EXPECT_EQ(second.calls()[0].first_tile(), 5);
  EXPECT_EQ(second.calls()[1].resume_token(), "");
}

TEST(ClientTest, AsksAgainForATileThatWasDamaged) {
  TileServer server;
  server.SetScript({{.corrupt_tile = 7}});
  const auto image = Image(100, 70);
  CountingReceiver receiver;
  const auto trailer = Connect(server.address())->Upscale({.raw = &image}, Twice(), &receiver);
  ASSERT_TRUE(trailer.ok()) << trailer.status();
  ExpectWhole(receiver.Take(*trailer), 200, 140);
  ASSERT_EQ(server.calls().size(), 2);
  EXPECT_EQ(server.calls()[1].first_tile(), 7);
}

TEST(ClientTest, NeverTakesDamageForTruth) {
  TileServer server;
  RetryPolicy policy;
  policy.max_attempts = 1;
  const auto client = Connect(server.address(), policy);
  const auto image = Image(10, 10);
  server.SetScript({{.corrupt_tile = 0}});
  auto output = client->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_EQ(output.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(output.status().message(), HasSubstr("checksum of tile 0"));
  server.SetScript({{.no_trailer = true}});
  output = client->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_EQ(output.status().code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(output.status().message(), HasSubstr("without a trailer"));
}

// Of a server that says what was not asked for, nothing is taken and nothing is allocated.
TEST(ClientTest, BelievesNoHeaderButOfWhatWasAskedFor) {
  const std::vector<std::function<void(v1::UpscaleHeader*)>> lies = {
      [](v1::UpscaleHeader* h) {
        h->set_output_width(1 << 30);
        h->set_output_height(1 << 30);
      },
      [](v1::UpscaleHeader* h) {
        h->set_output_width(1 << 30);
        h->set_input_width(1 << 29);
        h->mutable_region()->set_width(1 << 30);
        h->mutable_grid()->set_columns(1 << 24);
      },
      [](v1::UpscaleHeader* h) { h->mutable_region()->set_x(int64_t{1} << 62); },
      [](v1::UpscaleHeader* h) {
        h->mutable_region()->set_width(std::numeric_limits<int64_t>::max());
      },
      [](v1::UpscaleHeader* h) {
        h->mutable_region()->set_width(1);
        h->mutable_grid()->set_columns(1);
      },
      [](v1::UpscaleHeader* h) { h->set_sample_type(v1::SAMPLE_TYPE_F32); },
      [](v1::UpscaleHeader* h) { h->set_format(v1::FILE_FORMAT_PNG); },
      [](v1::UpscaleHeader* h) { h->set_channels(5); },
      [](v1::UpscaleHeader* h) {
        h->mutable_grid()->set_tile_size(1 << 20);
        h->mutable_grid()->set_columns(1);
        h->mutable_grid()->set_rows(1);
      },
  };
  for (size_t i = 0; i < lies.size(); ++i) {
    TileServer server;
    server.SetScript({{.lie = lies[i]}});
    const auto image = Image(100, 50);
    v1::UpscaleParameters parameters = Twice();
    parameters.set_sample_type(v1::SAMPLE_TYPE_U8);
    CountingReceiver receiver;
    const auto result = Connect(server.address(), {.max_attempts = 1})
                            ->Upscale({.raw = &image}, parameters, &receiver);
    EXPECT_EQ(result.status().code(), absl::StatusCode::kDataLoss) << i << result.status();
    EXPECT_EQ(receiver.begins, 0) << i;
  }
}

TEST(ClientTest, GivesUpAfterTheAttempts) {
  TileServer server;
  RetryPolicy policy;
  policy.max_attempts = 3;
  server.SetScript(std::vector<Step>(10, {.fail = kUnavailable}));
  const auto image = Image(10, 10);
  const auto output = Connect(server.address(), policy)->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsUnavailable(output.status())) << output.status();
  EXPECT_EQ(server.calls().size(), 3);
}

// By a proxy that ends the stream, for example.
TEST(ClientTest, ACallThatOthersCancelIsABrokenStream) {
  const grpc::Status cancelled(grpc::StatusCode::CANCELLED, "reset");
  TileServer server;
  RetryPolicy policy;
  policy.max_attempts = 3;
  const auto image = Image(100, 70);
  const auto client = Connect(server.address(), policy);
  server.SetScript({{.fail = cancelled}, {.fail = cancelled, .after_tiles = 2}});
  const auto output = client->UpscaleToMemory({.raw = &image}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
  ExpectWhole(*output, 200, 140);
  EXPECT_EQ(server.calls().size(), 3);
  server.SetScript(std::vector<Step>(10, {.fail = cancelled}));
  const auto never = client->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsCancelled(never.status())) << never.status();
  EXPECT_THAT(never.status().message(), HasSubstr("by the server or a proxy: reset"));
  EXPECT_EQ(server.calls().size(), 6);
}

TEST(ClientTest, ProgressGivesNewAttempts) {
  TileServer server;
  RetryPolicy policy;
  policy.max_attempts = 2;
  server.SetScript(std::vector<Step>(10, {.fail = kUnavailable, .after_tiles = 1}));
  const auto image = Image(100, 70);
  const auto output = Connect(server.address(), policy)->UpscaleToMemory({.raw = &image}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
  ExpectWhole(*output, 200, 140);
  EXPECT_EQ(server.calls().size(), 11);
}

// Chunks come again from the first one: they are nothing new, however many came.
TEST(ClientTest, ChunksThatComeAgainAreNoProgress) {
  TileServer server;
  RetryPolicy policy;
  policy.max_attempts = 3;
  const auto client = Connect(server.address(), policy);
  const auto image = Image(100, 70);
  v1::UpscaleParameters parameters = Twice();
  parameters.mutable_encoded()->set_format(v1::FILE_FORMAT_PNG);
  server.SetScript({{.fail = kUnavailable, .after_tiles = 5}});
  const auto whole = client->UpscaleToMemory({.raw = &image}, parameters);
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(whole->samples, "abcdefghijkl");
  for (const int64_t after : {5, 12}) {
    TileServer broken;
    broken.SetScript(std::vector<Step>(20, {.fail = kUnavailable, .after_tiles = after}));
    const auto output =
        Connect(broken.address(), policy)->UpscaleToMemory({.raw = &image}, parameters);
    EXPECT_TRUE(absl::IsUnavailable(output.status())) << output.status();
    EXPECT_EQ(broken.calls().size(), 3) << after;
  }
}

TEST(ClientTest, NorAreTilesThatComeAgain) {
  RetryPolicy policy;
  policy.max_attempts = 3;
  const auto image = Image(100, 70);
  TileServer without;  // a token to resume with
  without.SetScript(
      std::vector<Step>(20, {.fail = kUnavailable, .after_tiles = 5, .lie = [](auto* header) {
                               header->clear_resume_token();
                             }}));
  const auto output = Connect(without.address(), policy)->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsUnavailable(output.status())) << output.status();
  EXPECT_EQ(without.calls().size(), 3);
}

// Two servers that cannot go on from where the other one stopped, and both stop.
TEST(ClientTest, StartingOverHasAnEnd) {
  RetryPolicy policy;
  policy.max_attempts = 4;
  const auto image = Image(100, 70);
  TileServer first;
  TileServer second;
  second.SetWeights("others");
  const std::vector<Step> script(40, {.fail = kUnavailable, .after_tiles = 2});
  first.SetScript(script);
  second.SetScript(script);
  CountingReceiver receiver;
  const auto trailer = Connect(absl::StrCat(first.address(), ",", second.address()), policy)
                           ->Upscale({.raw = &image}, Twice(), &receiver);
  EXPECT_FALSE(trailer.ok());
  EXPECT_LT(first.calls().size() + second.calls().size(), 40);
}

TEST(ClientTest, AValidationHasNoPixels) {
  TileServer server;
  const auto image = Image(100, 70);
  v1::UpscaleParameters parameters = Twice();
  parameters.set_validate_only(true);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, parameters);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->header.output_width(), 200);
  EXPECT_EQ(output->samples, "");
}

TEST(ClientTest, WaitsAsLongAsTheServerSays) {
  TileServer server;
  server.SetScript({{.fail = WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full",
                                           absl::Milliseconds(150))}});
  const auto image = Image(10, 10);
  const absl::Time start = absl::Now();
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(150));
  EXPECT_EQ(server.calls().size(), 2);
}

TEST(ClientTest, ThePushbackSaysItMoreExactly) {
  TileServer server;
  server.SetScript({{.fail = WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full",
                                           absl::Seconds(100)),
                     .pushback_millis = "50"}});
  const auto image = Image(10, 10);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
}

TEST(ClientTest, ANegativePushbackForbidsRetries) {
  TileServer server;
  server.SetScript({{.fail = kUnavailable, .pushback_millis = "-1"}});
  const auto image = Image(10, 10);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsUnavailable(output.status())) << output.status();
  EXPECT_EQ(server.calls().size(), 1);
}

TEST(ClientTest, ExhaustionWithoutATimeIsFinal) {
  TileServer server;
  server.SetScript({{.fail = grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, "too large"),
                     .pushback_millis = "10"}});
  const auto image = Image(10, 10);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsResourceExhausted(output.status())) << output.status();
  EXPECT_EQ(server.calls().size(), 1);
}

TEST(ClientTest, DoesNotWaitForRoomForEver) {
  TileServer server;
  server.SetScript({{.fail = WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, "queue full",
                                           absl::Hours(1))}});
  const auto image = Image(10, 10);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice());
  EXPECT_TRUE(absl::IsResourceExhausted(output.status())) << output.status();
}

TEST(ClientTest, SaysWhatWasWrongWithTheRequest) {
  TileServer server;
  const auto image = Image(10, 10);
  v1::UpscaleParameters parameters;
  parameters.mutable_scale()->set_rx(0.5);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, parameters);
  EXPECT_TRUE(absl::IsInvalidArgument(output.status()));
  EXPECT_THAT(output.status().message(), HasSubstr("rx"));
  EXPECT_EQ(server.calls().size(), 1);
}

TEST(ClientTest, ADeadlineEndsAStream) {
  TileServer server;
  server.SetScript({{.before_tile = absl::Milliseconds(200)}});
  const auto image = Image(100, 70);
  CallOptions call;
  call.timeout = absl::Milliseconds(300);
  const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice(), call);
  EXPECT_TRUE(absl::IsDeadlineExceeded(output.status())) << output.status();
}

TEST(ClientTest, AStopRequestEndsAStreamAndAWait) {
  TileServer server;
  const auto image = Image(100, 70);
  for (const Step& step : {Step{.before_tile = absl::Milliseconds(100)},
                           Step{.fail = WithRetryInfo(grpc::StatusCode::RESOURCE_EXHAUSTED, "full",
                                                      absl::Minutes(1))}}) {
    server.SetScript({step});
    std::stop_source source;
    CallOptions call;
    call.stop = source.get_token();
    std::jthread stopper([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(150));
      source.request_stop();
    });
    const absl::Time start = absl::Now();
    const auto output = Connect(server.address())->UpscaleToMemory({.raw = &image}, Twice(), call);
    EXPECT_TRUE(absl::IsCancelled(output.status())) << output.status();
    EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  }
}

TEST(ClientTest, AnErrorOfTheReceiverIsFinal) {
  TileServer server;
  const auto image = Image(100, 70);
  CountingReceiver receiver;
  receiver.result = absl::UnavailableError("the disk is gone");
  const auto trailer = Connect(server.address())->Upscale({.raw = &image}, Twice(), &receiver);
  EXPECT_EQ(trailer.status(), receiver.result);
  EXPECT_EQ(server.calls().size(), 1);
}

TEST(ClientTest, LargeFilesGoInChunks) {
  TileServer server;
  // Above the 4 MiB that the server takes in one message: a PPM with its header.
  std::string file = absl::StrCat("P6\n2000 1500\n255\n", std::string(2000 * 1500 * 3, 'x'));
  ClientOptions options;
  options.servers = server.address();
  options.upload_above_bytes = 2 << 20;
  const auto client = Client::Create(options);
  ASSERT_TRUE(client.ok());
  v1::UpscaleParameters parameters;
  parameters.mutable_scale()->set_rx(1);
  parameters.mutable_region()->set_width(30);
  parameters.mutable_region()->set_height(20);
  const auto output = (*client)->UpscaleToMemory({.encoded = file}, parameters);
  ASSERT_TRUE(output.ok()) << output.status();
  EXPECT_EQ(output->header.output_width(), 2000);
  EXPECT_EQ(output->samples.size(), 30 * 20 * 3);
}

TEST(ClientTest, ALargeFileIsResumedToo) {
  TileServer server;
  server.SetScript({{.fail = kUnavailable, .after_tiles = 1}});
  std::string file = absl::StrCat("P6\n200 150\n255\n", std::string(200 * 150 * 3, 'x'));
  ClientOptions options;
  options.servers = server.address();
  options.upload_above_bytes = 1000;
  const auto client = Client::Create(options);
  ASSERT_TRUE(client.ok());
  const auto output = (*client)->UpscaleToMemory({.encoded = file}, Twice());
  ASSERT_TRUE(output.ok()) << output.status();
  ExpectWhole(*output, 400, 300);
  EXPECT_EQ(server.calls().size(), 2);
  EXPECT_EQ(server.calls()[1].first_tile(), 1);
}

TEST(ClientTest, SpreadsCallsOverServers) {
  TileServer first;
  TileServer second;
  const auto client = Connect(absl::StrCat(first.address(), ",", second.address()));
  const auto image = Image(10, 10);
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(client->UpscaleToMemory({.raw = &image}, Twice()).ok());
  EXPECT_EQ(first.calls().size(), 5);
  EXPECT_EQ(second.calls().size(), 5);
}

TEST(ClientTest, AServerThatIsDownIsPassedOver) {
  TileServer server;
  // Nothing listens on port 1.
  const auto client = Connect(absl::StrCat("127.0.0.1:1,", server.address()));
  const auto image = Image(10, 10);
  for (int i = 0; i < 5; ++i) {
    const auto output = client->UpscaleToMemory({.raw = &image}, Twice());
    ASSERT_TRUE(output.ok()) << output.status();
  }
}

TEST(ClientTest, NobodyAnswers) {
  const auto client = Connect("127.0.0.1:1");
  const absl::Status status = client->WaitForConnected(absl::Milliseconds(100));
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_THAT(status.message(), HasSubstr("127.0.0.1:1"));
}

TEST(ClientTest, ATokenGoesOnlyWhereItIsSafe) {
  ClientOptions options;
  options.token = "secret";
  options.servers = "example.org:443";
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create(options).status()));
  options.allow_token_over_plaintext = true;
  EXPECT_TRUE(Client::Create(options).ok());

  TileServer server;
  options.allow_token_over_plaintext = false;
  options.servers = server.address();
  const auto client = Client::Create(options);
  ASSERT_TRUE(client.ok()) << client.status();
  const auto image = Image(10, 10);
  ASSERT_TRUE((*client)->UpscaleToMemory({.raw = &image}, Twice()).ok());
  EXPECT_EQ(server.authorizations().front(), "Bearer secret");
}

TEST(ClientTest, NoServerIsNamed) {
  EXPECT_TRUE(absl::IsInvalidArgument(Client::Create({}).status()));
}

TEST(ClientTest, ListsAllPagesOfModels) {
  TileServer server;
  const auto models = Connect(server.address())->ListModels();
  ASSERT_TRUE(models.ok()) << models.status();
  ASSERT_EQ(models->size(), 2);
  EXPECT_EQ((*models)[1].name(), "rdn-test");
}

TEST(ClientTest, ReadsHealth) {
  TileServer server;
  const auto client = Connect(server.address());
  EXPECT_EQ(client->CheckHealth("").value(), Serving::kServing);
  EXPECT_TRUE(absl::IsNotFound(client->CheckHealth("no.such.service").status()));
}

}  // namespace
}  // namespace hiif::client
