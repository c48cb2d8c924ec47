#include "imaging/colour_description.h"

#include <lcms2.h>

#include <algorithm>
#include <cmath>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_format.h"
#include "imaging/colour.h"

namespace hiif {
namespace {

using Chromaticity = std::array<double, 8>;

constexpr Chromaticity kSrgb = {0.3127, 0.3290, 0.640, 0.330, 0.300, 0.600, 0.150, 0.060};

struct NamedPrimaries {
  int code;
  Chromaticity values;
};
// ITU-T H.273, table 2.
constexpr NamedPrimaries kPrimaries[] = {
    {1, kSrgb},
    {4, {0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08}},
    {5, {0.3127, 0.3290, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06}},
    {6, {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070}},
    {7, {0.3127, 0.3290, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070}},
    {8, {0.310, 0.316, 0.681, 0.319, 0.243, 0.692, 0.145, 0.049}},
    {9, {0.3127, 0.3290, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046}},
    {11, {0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},
    {12, {0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060}},
    {22, {0.3127, 0.3290, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077}},
};

bool Near(const Chromaticity& a, const Chromaticity& b) {
  return std::equal(a.begin(), a.end(), b.begin(),
                    [](double x, double y) { return std::abs(x - y) < 0.003; });
}

// Light from samples; null where there is no such curve.
cmsToneCurve* TransferCurve(int code) {
  switch (code) {
    case 1:
    case 6:
    case 14:
    case 15: {
      const cmsFloat64Number bt709[5] = {1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081};
      return cmsBuildParametricToneCurve(nullptr, 4, bt709);
    }
    case 2:
    case 13: {
      const cmsFloat64Number srgb[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
      return cmsBuildParametricToneCurve(nullptr, 4, srgb);
    }
    case 4:
      return cmsBuildGamma(nullptr, 2.2);
    case 5:
      return cmsBuildGamma(nullptr, 2.8);
    case 8:
      return cmsBuildGamma(nullptr, 1.0);
    case 17:
      return cmsBuildGamma(nullptr, 2.6);
    default:
      return nullptr;
  }
}

std::string MakeProfile(const Chromaticity& c, cmsToneCurve* curve, bool grey, const char* name) {
  const cmsCIExyY white = {c[0], c[1], 1.0};
  if (grey) return SavedProfile(cmsCreateGrayProfile(&white, curve), name);
  const cmsCIExyYTRIPLE primaries = {{c[2], c[3], 1.0}, {c[4], c[5], 1.0}, {c[6], c[7], 1.0}};
  cmsToneCurve* const curves[3] = {curve, curve, curve};
  return SavedProfile(cmsCreateRGBProfile(&white, &primaries, curves), name);
}

bool Possible(const Chromaticity& c) {
  for (size_t i = 0; i < c.size(); i += 2)
    if (!(c[i] >= 0 && c[i + 1] > 0 && c[i] + c[i + 1] <= 1.0001)) return false;
  return true;
}

DescribedColour OfCodePoints(CodePoints points, bool grey) {
  const std::string what = absl::StrFormat("colour by code points (primaries %d, transfer %d)",
                                           points.primaries, points.transfer);
  const auto* primaries =
      std::find_if(std::begin(kPrimaries), std::end(kPrimaries), [&](const NamedPrimaries& p) {
        return p.code == (points.primaries == 2 ? 1 : points.primaries);
      });
  cmsToneCurve* curve = TransferCurve(points.transfer);
  const absl::Cleanup free_curve = [curve] { cmsFreeToneCurve(curve); };
  if (primaries == std::end(kPrimaries) || curve == nullptr)
    return {"", what + ", which no colour profile can stand for, is not told to the output"};
  const bool is_srgb = points.transfer == 13 || points.transfer == 2;
  if (primaries->code == 1 && is_srgb) return {};
  std::string icc = MakeProfile(primaries->values, curve, grey, what.c_str());
  if (icc.empty()) return {"", what + " is left out: no profile can be made of it"};
  return {std::move(icc), ""};
}

}  // namespace

DescribedColour ProfileOf(const ColourDescription& description, bool grey) {
  if (description.code_points) return OfCodePoints(*description.code_points, grey);
  if (description.srgb) return {};
  const bool has_primaries = description.chromaticity[0] != 0;
  if (!has_primaries && description.gamma == 0) return {};
  const Chromaticity& c = has_primaries ? description.chromaticity : kSrgb;
  // 1 / 2.2 is how sRGB was told before it had a name.
  constexpr double kSrgbGamma = 1 / 2.2;
  const bool usual_gamma =
      description.gamma == 0 || std::abs(description.gamma - kSrgbGamma) < 0.005;
  if (usual_gamma && (grey || Near(c, kSrgb))) return {};
  const bool possible =
      description.gamma == 0 || (description.gamma > 0.05 && description.gamma < 20);
  if (!Possible(c) || !possible)
    return {"", "the gamma or the chromaticities of the file are impossible and left out"};
  cmsToneCurve* curve =
      description.gamma == 0 ? TransferCurve(13) : cmsBuildGamma(nullptr, 1 / description.gamma);
  const absl::Cleanup free_curve = [curve] { cmsFreeToneCurve(curve); };
  std::string icc = MakeProfile(c, curve, grey, "gamma and chromaticities of the file");
  if (icc.empty())
    return {
        "",
        "the gamma or the chromaticities of the file are left out: no profile can be made of them"};
  return {std::move(icc), ""};
}

}  // namespace hiif
