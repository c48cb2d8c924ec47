// What decoding in a process of its own costs, beside decoding in this one: a file, in turn.
//
//   hiif-bench-jail DECODER FILE [TIMES]
//
// Prints the medians in milliseconds: in this process, in the other, the difference.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "base/file.h"
#include "jail/jail.h"

namespace {

// Milliseconds from the bytes of a file to its picture, or -1.
double Once(hiif::PictureOpener* opener, const std::string& bytes) {
  const absl::Time start = absl::Now();
  const auto file = opener->Open(bytes);
  if (!file.ok()) return -1;
  const auto info = (*file)->Probe({}, std::nullopt, nullptr);
  if (!info.ok() || !(*file)->Decode(*info, {}).ok()) return -1;
  return absl::ToDoubleMilliseconds(absl::Now() - start);
}

double Median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return std::fprintf(stderr, "usage: hiif-bench-jail DECODER FILE [TIMES]\n"), 64;
  const auto bytes = hiif::ReadFile(argv[2]);
  auto jail = hiif::Jail::Start({.program = argv[1]}, nullptr);
  if (!bytes.ok() || !jail.ok() || !hiif::InitImaging(1).ok())
    return std::fprintf(stderr, "hiif-bench-jail: no file, or no decoder\n"), 1;
  hiif::TrustingOpener trusting;
  std::vector<double> here, there;
  const int times = argc > 3 ? std::atoi(argv[3]) : 51;
  for (int i = 0; i < times + 3; ++i) {
    const double own = Once(&trusting, *bytes);
    const double other = Once(jail->get(), *bytes);
    if (own < 0 || other < 0) return std::fprintf(stderr, "hiif-bench-jail: not decoded\n"), 1;
    if (i < 3) continue;
    here.push_back(own);
    there.push_back(other);
  }
  std::printf("%.2f %.2f %.2f\n", Median(here), Median(there), Median(there) - Median(here));
  return 0;
}
