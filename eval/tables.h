// The paper's tables 1 to 4 from what was measured, beside the published numbers.
#ifndef EVAL_TABLES_H_
#define EVAL_TABLES_H_

#include <string>
#include <vector>

#include "eval/complexity.h"

namespace hiif::eval {

// PSNR of one model on one data set at one scale.
struct PsnrRow {
  std::string model;    // "-" where there is none
  std::string encoder;  // as in the metadata; "none"
  std::string decoder;
  std::string variant;  // of table 4; empty where the decoder is not HIIF
  std::string set;
  std::string scale;
  double psnr = 0;
  std::string paper;  // published dB, empty where there is none
};

struct CostRow {
  std::string model;
  std::string decoder;
  ModelCost cost;
};

// Markdown. Table 1: scales up to `trained_to` (in distribution), 2: above it, 3: `costs`, 4: the
// variants of HIIF; a table without rows is left out. A cell is "ours (published)".
std::string TablesMarkdown(const std::vector<PsnrRow>& rows, const std::vector<CostRow>& costs,
                           const std::string& cost_title, double trained_to);

}  // namespace hiif::eval

#endif  // EVAL_TABLES_H_
