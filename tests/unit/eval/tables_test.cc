#include "eval/tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/released_chunks.h"

namespace hiif::eval {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

PsnrRow Row(const std::string& decoder, const std::string& scale, double psnr,
            const std::string& paper = "", const std::string& variant = "") {
  return {"m-" + decoder, "edsr-baseline", decoder, variant, "Set5", scale, psnr, paper};
}

TEST(Tables, PutScalesIntoTheTablesOfThePaper) {
  const std::string text =
      TablesMarkdown({Row("lte", "2", 38.117, "38.33"), Row("lte", "2x6", 30, "29.0"),
                      Row("lte", "6", 28.5), Row("srno", "2", 38.2)},
                     {{"m-lte", "lte", {.decoder_parameters = 493827}}}, "128 input", 4.0);
  EXPECT_THAT(text,
              HasSubstr("### Table 1: in distribution\n\n| model | encoder, decoder | Set5 x2 |"));
  EXPECT_THAT(text, HasSubstr("| m-lte | edsr-baseline, lte | 38.12 (38.33) |\n"));
  EXPECT_THAT(text, HasSubstr("| m-srno | edsr-baseline, srno | 38.20 |\n"));
  // The larger factor decides; srno has no figure there and no row.
  EXPECT_THAT(text, HasSubstr("| Set5 x2x6 | Set5 x6 |"));
  EXPECT_THAT(text, HasSubstr("| m-lte | edsr-baseline, lte | 30.00 (29.0) | 28.50 |\n"));
  EXPECT_THAT(text, HasSubstr("### Table 3: cost (128 input)"));
  EXPECT_THAT(text, HasSubstr("| m-lte | lte | 493827 |"));
  EXPECT_THAT(text, Not(HasSubstr("Table 4")));
}

TEST(Tables, CompareVariantsWhereThereAreSome) {
  const std::string text = TablesMarkdown(
      {Row("hiif", "2", 38, "", "HIIF"), Row("hiif", "3", 34, "", "v1-H")}, {}, "", 4.0);
  EXPECT_THAT(text, HasSubstr("### Table 4: variants of HIIF"));
  EXPECT_THAT(text, Not(HasSubstr("Table 2")));
  EXPECT_THAT(text, Not(HasSubstr("Table 3")));
}

// Every pixel is in a tile, and the last one fits.
TEST(ReleasedTiles, CoverTheImage) {
  EXPECT_THAT(TileStarts(16, 16, 4), ElementsAre(0));
  EXPECT_THAT(TileStarts(31, 16, 4), ElementsAre(0, 12, 15));
  EXPECT_THAT(TileStarts(17, 16, 15), ElementsAre(0, 1));
}

}  // namespace
}  // namespace hiif::eval
