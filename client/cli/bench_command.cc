// hiif bench: a load generator, closed loop (--clients) or open loop (--rate).
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <iostream>
#include <list>
#include <map>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "client/cli/picture_bytes.h"
#include "client/retry.h"
#include "nlohmann/json.hpp"

namespace hiif::cli {
namespace {

// Requests, each of which has a thread.
constexpr int kMostAtOnce = 4096;

// Counts what arrives and drops it.
class Counter : public client::UpscaleReceiver {
 public:
  absl::Status Begin(const v1::UpscaleHeader&) override {
    pixels = 0;
    return absl::OkStatus();
  }
  absl::Status Tile(const v1::Tile& tile) override {
    if (first == absl::InfiniteFuture()) first = absl::Now();
    pixels += int64_t{tile.width()} * tile.height();
    return absl::OkStatus();
  }
  absl::Status Chunk(const v1::EncodedChunk&) override { return absl::OkStatus(); }

  absl::Time first = absl::InfiniteFuture();
  int64_t pixels = 0;
};

struct Result {
  double seconds = 0;
  double first_tile = 0;
  int64_t pixels = 0;
  absl::StatusCode code = absl::StatusCode::kOk;
};

class Load {
 public:
  Load(const BenchFlags& flags, std::vector<std::string> files, Connection* connection)
      : flags_(flags), files_(std::move(files)), connection_(connection) {}

  // `due`: when the request should have been sent; its time counts from there, so that a server
  // that falls behind cannot hide it.
  void One(int64_t index, absl::Time due) {
    v1::UpscaleParameters parameters;
    parameters.mutable_scale()->set_rx(flags_.scale);
    parameters.set_model(flags_.model);
    Counter counter;
    const auto trailer = connection_->client().Upscale({.encoded = files_[index % files_.size()]},
                                                       parameters, &counter, connection_->call());
    const absl::Time end = absl::Now();
    absl::MutexLock lock(&mutex_);
    results_.push_back({absl::ToDoubleSeconds(end - due),
                        absl::ToDoubleSeconds(std::min(counter.first, end) - due), counter.pixels,
                        trailer.status().code()});
  }

  void Closed(std::stop_token stop, absl::Time end) {
    std::vector<std::jthread> clients;
    std::atomic<int64_t> next = 0;
    for (int i = 0; i < flags_.clients; ++i)
      clients.emplace_back([&] {
        while (absl::Now() < end && !stop.stop_requested()) One(next++, absl::Now());
      });
  }

  // Whatever comes back: but more than kMostAtOnce wait for one to end, and that counts for them.
  void Open(std::stop_token stop, absl::Time end) {
    struct Request {
      std::atomic<bool> ended = false;
      std::jthread thread;
    };
    std::list<Request> requests;
    const absl::Time start = absl::Now();
    for (int64_t i = 0;; ++i) {
      const absl::Time due = start + absl::Seconds(static_cast<double>(i) / *flags_.rate);
      if (due >= end || !client::SleepUnlessStopped(due - absl::Now(), stop)) break;
      while (std::erase_if(requests, [](const Request& r) { return r.ended.load(); }),
             std::ssize(requests) >= kMostAtOnce) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      Request& request = requests.emplace_back();
      request.thread = std::jthread([this, i, due, &request] {
        One(i, due);
        request.ended = true;
      });
    }
  }

  const std::vector<Result>& results() const { return results_; }

 private:
  const BenchFlags& flags_;
  const std::vector<std::string> files_;
  Connection* const connection_;
  absl::Mutex mutex_;
  std::vector<Result> results_;
};

double Percentile(const std::vector<double>& sorted, double p) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1,
                         static_cast<size_t>(p / 100 * static_cast<double>(sorted.size())))];
}

void Print(const BenchFlags& flags, const std::vector<Result>& results, double seconds) {
  std::vector<double> whole;
  std::vector<double> first;
  std::map<std::string, int> codes;
  int64_t pixels = 0;
  for (const Result& result : results) {
    ++codes[absl::StatusCodeToString(result.code)];
    if (result.code != absl::StatusCode::kOk) continue;
    whole.push_back(result.seconds);
    first.push_back(result.first_tile);
    pixels += result.pixels;
  }
  std::sort(whole.begin(), whole.end());
  std::sort(first.begin(), first.end());
  constexpr double kPercentiles[] = {50, 90, 95, 99, 100};
  if (flags.json) {
    nlohmann::ordered_json json = {{"seconds", seconds},
                                   {"requests", results.size()},
                                   {"codes", codes},
                                   {"requests_per_s", static_cast<double>(whole.size()) / seconds},
                                   {"output_pixels_per_s", static_cast<double>(pixels) / seconds}};
    for (const double p : kPercentiles) {
      json["latency_s"][absl::StrCat("p", p)] = Percentile(whole, p);
      json["first_tile_s"][absl::StrCat("p", p)] = Percentile(first, p);
    }
    std::cout << json.dump(1) << "\n";
    return;
  }
  std::cout << absl::StrFormat("%d requests in %.1f s: %.2f/s, %.0f output pixels/s\n",
                               results.size(), seconds, static_cast<double>(whole.size()) / seconds,
                               static_cast<double>(pixels) / seconds);
  for (const auto& [code, count] : codes) std::cout << absl::StrFormat("  %-20s %d\n", code, count);
  std::cout << "percentile   request   first tile  (seconds)\n";
  for (const double p : kPercentiles)
    std::cout << absl::StrFormat("%9g%% %9.3f %12.3f\n", p, Percentile(whole, p),
                                 Percentile(first, p));
}

absl::Status CheckFlags(const BenchFlags& flags) {
  if (!(flags.rate.value_or(1) > 0) || !(flags.seconds > 0) || flags.clients < 1 ||
      flags.clients > kMostAtOnce)
    return absl::InvalidArgumentError(absl::StrCat("--clients of 1 to ", kMostAtOnce,
                                                   ", --rate and --duration above 0 are needed"));
  if (!(flags.scale >= 1 && flags.scale <= 32))
    return absl::InvalidArgumentError("--scale: a factor of 1 to 32 is allowed");
  return absl::OkStatus();
}

}  // namespace

int RunBench(const BenchFlags& flags, const Interrupt& interrupt) {
  if (const absl::Status status = CheckFlags(flags); !status.ok()) return Fail("bench", status);
  std::vector<std::string> files;
  for (const std::string& path : flags.inputs) {
    auto bytes = ReadPicture(path, interrupt.token());
    if (interrupt.exit_code() != 0) return interrupt.exit_code();
    if (!bytes.ok()) return Fail("bench", WithName(path, bytes.status()));
    files.push_back(*std::move(bytes));
  }
  auto connection = Connection::Open(flags.connection, interrupt.token(), flags.model);
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!connection.ok()) return Fail("bench", connection.status());
  Load load(flags, std::move(files), connection->get());
  const absl::Time start = absl::Now();
  const absl::Time end = start + absl::Seconds(flags.seconds);
  if (flags.rate) {
    load.Open(interrupt.token(), end);
  } else {
    load.Closed(interrupt.token(), end);
  }
  Print(flags, load.results(), absl::ToDoubleSeconds(absl::Now() - start));
  const bool all_well =
      std::all_of(load.results().begin(), load.results().end(),
                  [](const Result& result) { return result.code == absl::StatusCode::kOk; });
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  return all_well ? kExitOk : kExitSomeFailed;
}

}  // namespace hiif::cli
