#include "eval/tables.h"

#include <algorithm>
#include <functional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace hiif::eval {
namespace {

// The larger factor of "2x3.1".
double Factor(const std::string& scale) {
  double largest = 0;
  size_t begin = 0;
  while (begin <= scale.size()) {
    const size_t end = std::min(scale.find('x', begin), scale.size());
    double value = 0;
    if (absl::SimpleAtod(scale.substr(begin, end - begin), &value))
      largest = std::max(largest, value);
    begin = end + 1;
  }
  return largest;
}

void AddUnique(std::vector<std::string>& list, const std::string& value) {
  if (std::find(list.begin(), list.end(), value) == list.end()) list.push_back(value);
}

std::string Cell(const PsnrRow& row) {
  const std::string ours = absl::StrFormat("%.2f", row.psnr);
  return row.paper.empty() ? ours : absl::StrCat(ours, " (", row.paper, ")");
}

// A row for each model, a column for each data set and scale that `keep` lets pass.
std::string PsnrTable(const std::string& title, const std::vector<PsnrRow>& rows,
                      const std::function<bool(const PsnrRow&)>& keep, bool variants) {
  std::vector<std::string> columns, names;
  for (const PsnrRow& row : rows) {
    if (!keep(row)) continue;
    AddUnique(columns, absl::StrCat(row.set, " x", row.scale));
    AddUnique(names, row.model + "\n" + row.encoder + "\n" + row.decoder);
  }
  if (columns.empty()) return "";
  std::string out = absl::StrCat("### ", title, "\n\n| model | ",
                                 variants ? "variant" : "encoder, decoder", " |");
  std::string rule = "\n| --- | --- |";
  for (const std::string& column : columns) {
    absl::StrAppend(&out, " ", column, " |");
    rule += " --- |";
  }
  out += rule + "\n";
  for (const std::string& name : names) {
    std::vector<std::string> cells(columns.size(), "-");
    const PsnrRow* any = nullptr;
    for (const PsnrRow& row : rows) {
      if (!keep(row) || row.model + "\n" + row.encoder + "\n" + row.decoder != name) continue;
      any = &row;
      const auto column =
          std::find(columns.begin(), columns.end(), absl::StrCat(row.set, " x", row.scale));
      cells[column - columns.begin()] = Cell(row);
    }
    absl::StrAppend(&out, "| ", any->model, " | ",
                    variants ? any->variant : absl::StrCat(any->encoder, ", ", any->decoder), " |");
    for (const std::string& cell : cells) absl::StrAppend(&out, " ", cell, " |");
    out += "\n";
  }
  return out + "\n";
}

std::string CostTable(const std::vector<CostRow>& costs, const std::string& title) {
  if (costs.empty()) return "";
  std::string out = absl::StrCat(
      "### Table 3: cost (", title,
      ")\n\n| model | decoder | parameters of the decoder | multiply-adds an input pixel | an "
      "output pixel | encode s | query s | output pixels/s | peak MB |\n| --- | --- | --- | --- | "
      "--- | --- | --- | --- | --- |\n");
  for (const CostRow& row : costs) {
    const ModelCost& c = row.cost;
    absl::StrAppendFormat(&out, "| %s | %s | %d | %.3f M | %.3f M | %.2f | %.2f | %.0f | %.0f |\n",
                          row.model, row.decoder, c.decoder_parameters,
                          c.work_per_input_pixel / 1e6, c.work_per_output_pixel / 1e6, c.encode_s,
                          c.query_s, c.pixels_per_s, c.peak_bytes / 1e6);
  }
  return out + "\n";
}

}  // namespace

std::string TablesMarkdown(const std::vector<PsnrRow>& rows, const std::vector<CostRow>& costs,
                           const std::string& cost_title, double trained_to) {
  const auto inside = [&](const PsnrRow& row) { return Factor(row.scale) <= trained_to; };
  std::vector<std::string> variants;
  for (const PsnrRow& row : rows)
    if (!row.variant.empty()) AddUnique(variants, row.variant);
  return absl::StrCat("PSNR in dB, in brackets the paper's.\n\n",
                      PsnrTable("Table 1: in distribution", rows, inside, false),
                      PsnrTable(
                          "Table 2: out of distribution", rows,
                          [&](const PsnrRow& r) { return !inside(r); }, false),
                      CostTable(costs, cost_title),
                      variants.size() < 2
                          ? ""
                          : PsnrTable(
                                "Table 4: variants of HIIF", rows,
                                [](const PsnrRow& r) { return !r.variant.empty(); }, true));
}

}  // namespace hiif::eval
