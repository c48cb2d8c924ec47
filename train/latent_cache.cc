#include "train/latent_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "train/patterns.h"

namespace hiif::train {
namespace {

using Json = nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the format is read as it lies");

constexpr absl::string_view kMagic = "HIIFCACH";
constexpr uint32_t kVersion = 1;
constexpr uint64_t kPrefix = 16;  // magic, version, length
constexpr uint64_t kAlignment = 64;
constexpr uint64_t kRecordHead = 12;
constexpr uint64_t kMaxSettings = 1 << 20;

uint64_t Aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t Square(int64_t side) { return static_cast<uint64_t>(side * side) * 3; }

uint64_t BodyBytes(const CacheSettings& s) {
  uint64_t bytes = kRecordHead + Square(s.patch) + Square(s.patch * kDetail);
  for (const int64_t scale : s.scales) bytes += Square(s.patch * scale);
  return bytes + static_cast<uint64_t>(s.channels * s.patch * s.patch) * sizeof(float);
}

absl::string_view AsText(absl::Span<const uint8_t> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

uint32_t Number(absl::Span<const uint8_t> bytes, uint64_t offset) {
  uint32_t value;
  std::memcpy(&value, bytes.data() + offset, sizeof(value));
  return value;
}

void Put(std::string& out, uint32_t value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

std::string Header(const CacheSettings& s) {
  std::string json = Json{
      {"patch", s.patch},
      {"channels", s.channels},
      {"scales", s.scales},
      {"encoder", s.encoder},
      {"origin",
       s.origin}}.dump();
  json.resize(Aligned(kPrefix + json.size()) - kPrefix, ' ');
  std::string out(kMagic);
  Put(out, kVersion);
  Put(out, static_cast<uint32_t>(json.size()));
  return out + json;
}

absl::StatusOr<CacheSettings> ParseSettings(absl::string_view text) {
  const Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  const auto whole = [](const Json& v, int64_t low, int64_t high) {
    return v.is_number_integer() && v.get<int64_t>() >= low && v.get<int64_t>() <= high;
  };
  if (!json.is_object() || !whole(json.value("patch", Json()), 8, 1024) ||
      !whole(json.value("channels", Json()), 1, 4096) || !json.value("scales", Json()).is_array() ||
      !json.value("encoder", Json()).is_string() || !json.value("origin", Json()).is_string()) {
    return absl::DataLossError("the settings of the cache are damaged");
  }
  CacheSettings s{json["patch"], json["channels"], {}, json["encoder"], json["origin"]};
  for (const Json& scale : json["scales"]) {
    if (!whole(scale, 1, kDetail) || (!s.scales.empty() && s.scales.back() >= scale)) {
      return absl::DataLossError("the settings of the cache are damaged");
    }
    s.scales.push_back(scale);
  }
  return s;
}

// Of a record's bytes: whether they have the checksum that they say.
bool IsWhole(absl::Span<const uint8_t> body) {
  return Crc32c(AsText(body.subspan(4))) == Number(body, 0);
}

absl::Status System(const std::string& path, const char* what) {
  return absl::ErrnoToStatus(errno, absl::StrCat("cannot ", what, " ", path));
}

}  // namespace

bool LatentCache::IsCache(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string begin(kMagic.size(), '\0');
  return file.read(begin.data(), static_cast<std::streamsize>(begin.size())) && begin == kMagic;
}

absl::StatusOr<std::shared_ptr<const LatentCache>> LatentCache::Open(const std::string& path) {
  auto cache = std::shared_ptr<LatentCache>(new LatentCache);
  cache->path_ = path;
  HIIF_ASSIGN_OR_RETURN(cache->file_, MappedFile::Open(path));
  const absl::Span<const uint8_t> bytes = cache->file_->bytes();
  const auto damaged = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat(path, ": ", why, "; make it again with hiif-data cache"));
  };
  if (bytes.size() < kPrefix || AsText(bytes.subspan(0, 8)) != kMagic) {
    return damaged("not a cache of latent codes");
  }
  if (Number(bytes, 8) != kVersion) return damaged("a cache of an unknown version");
  const uint64_t length = Number(bytes, 12);
  if (length > kMaxSettings || length > bytes.size() - kPrefix) return damaged("cut short");
  absl::StatusOr<CacheSettings> settings = ParseSettings(AsText(bytes.subspan(kPrefix, length)));
  if (!settings.ok()) return damaged(settings.status().message());
  cache->settings_ = *std::move(settings);
  cache->first_ = kPrefix + length;
  cache->stride_ = Aligned(BodyBytes(cache->settings_));
  cache->records_ = static_cast<int64_t>((bytes.size() - cache->first_) / cache->stride_);
  if (cache->records_ == 0) return damaged("holds no record");
  return cache;
}

CacheRecord LatentCache::Record(int64_t i) const {
  absl::Span<const uint8_t> rest =
      file_->bytes().subspan(first_ + static_cast<uint64_t>(i) * stride_, BodyBytes(settings_));
  CacheRecord record;
  const int64_t largest = settings_.patch * kDetail;
  record.original_side = std::min<int64_t>(Number(rest, 4), largest);
  record.kind = Number(rest, 8);
  rest.remove_prefix(kRecordHead);
  const auto take = [&](uint64_t size) {
    const auto part = rest.subspan(0, size);
    rest.remove_prefix(size);
    return part;
  };
  record.patch = take(Square(settings_.patch));
  record.original = take(Square(largest)).subspan(0, Square(record.original_side));
  for (const int64_t scale : settings_.scales) {
    record.outputs.push_back(take(Square(settings_.patch * scale)));
  }
  record.latents = {reinterpret_cast<const float*>(rest.data()), rest.size() / sizeof(float)};
  return record;
}

std::string LatentCache::fingerprint() const {
  std::string parts = Header(settings_);
  for (int64_t i = 0; i < records_; ++i) {
    Put(parts, Number(file_->bytes(), first_ + static_cast<uint64_t>(i) * stride_));
  }
  return absl::StrFormat("%08x", Crc32c(parts));
}

absl::Status LatentCache::Verify() const {
  for (int64_t i = 0; i < records_; ++i) {
    const auto body =
        file_->bytes().subspan(first_ + static_cast<uint64_t>(i) * stride_, BodyBytes(settings_));
    if (IsWhole(body)) continue;
    return absl::DataLossError(absl::StrCat(path_, ": record ", i, " of ", records_,
                                            " is damaged; make it again with hiif-data cache"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<LatentCacheWriter>> LatentCacheWriter::Open(
    const std::string& path, const CacheSettings& settings) {
  auto writer = std::unique_ptr<LatentCacheWriter>(new LatentCacheWriter);
  writer->path_ = path;
  writer->settings_ = settings;
  writer->stride_ = Aligned(BodyBytes(settings));
  writer->fd_ = open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  if (writer->fd_ < 0) return System(path, "open");
  if (flock(writer->fd_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return System(path, "lock");
    return absl::FailedPreconditionError(absl::StrCat("another process writes to ", path));
  }
  struct stat status;
  if (fstat(writer->fd_, &status) != 0) return System(path, "look at");
  const std::string header = Header(settings);
  const auto size = static_cast<uint64_t>(status.st_size);
  std::string found(std::min<uint64_t>(size, header.size()), '\0');
  if (pread(writer->fd_, found.data(), found.size(), 0) != static_cast<ssize_t>(found.size())) {
    return System(path, "read");
  }
  // One that was cut within its header by a stop is begun again.
  if (header.substr(0, found.size()) != found) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " was made from other data, weights or options: name another file, or "
                     "delete that one"));
  }
  if (size > header.size()) {
    const auto whole = static_cast<int64_t>((size - header.size()) / writer->stride_);
    HIIF_RETURN_IF_ERROR(writer->CountRecords(header.size(), whole));
  } else if (pwrite(writer->fd_, header.data(), header.size(), 0) !=
             static_cast<ssize_t>(header.size())) {
    return System(path, "write");
  }
  const uint64_t end = header.size() + static_cast<uint64_t>(writer->records_) * writer->stride_;
  if (ftruncate(writer->fd_, static_cast<off_t>(end)) != 0) return System(path, "cut");
  if (lseek(writer->fd_, 0, SEEK_END) < 0) return System(path, "seek in");
  return writer;
}

absl::Status LatentCacheWriter::CountRecords(uint64_t first, int64_t most) {
  std::vector<uint8_t> body(BodyBytes(settings_));
  for (; records_ < most; ++records_) {
    const uint64_t at = first + static_cast<uint64_t>(records_) * stride_;
    for (size_t done = 0; done < body.size();) {
      const ssize_t got =
          pread(fd_, body.data() + done, body.size() - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return System(path_, "read");
      if (got == 0) return absl::OkStatus();  // somebody cut it meanwhile
      done += static_cast<size_t>(got);
    }
    if (!IsWhole(body)) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status LatentCacheWriter::Sync() {
  return fsync(fd_) == 0 ? absl::OkStatus() : System(path_, "write");
}

LatentCacheWriter::~LatentCacheWriter() {
  if (fd_ >= 0) close(fd_);
}

absl::Status LatentCacheWriter::Append(const CacheRecord& record) {
  std::string body;
  body.reserve(stride_);
  Put(body, static_cast<uint32_t>(record.original_side));
  Put(body, record.kind);
  const auto put = [&](absl::Span<const uint8_t> bytes, uint64_t size) {
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    body.append(size - bytes.size(), '\0');
  };
  put(record.patch, Square(settings_.patch));
  put(record.original, Square(settings_.patch * kDetail));
  for (size_t i = 0; i < settings_.scales.size(); ++i) {
    put(record.outputs.empty() ? absl::Span<const uint8_t>() : record.outputs[i],
        Square(settings_.patch * settings_.scales[i]));
  }
  body.append(reinterpret_cast<const char*>(record.latents.data()),
              record.latents.size() * sizeof(float));
  std::string bytes;
  Put(bytes, Crc32c(body));
  bytes += body;
  bytes.resize(stride_, '\0');
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t wrote = write(fd_, bytes.data() + done, bytes.size() - done);
    if (wrote < 0 && errno != EINTR) return System(path_, "write");
    if (wrote > 0) done += static_cast<size_t>(wrote);
  }
  ++records_;
  return absl::OkStatus();
}

}  // namespace hiif::train
