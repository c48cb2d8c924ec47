#include <algorithm>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "base/status_macros.h"
#include "base/text.h"
#include "client/cli/commands.h"
#include "client/cli/connection.h"
#include "client/cli/error.h"
#include "client/cli/exit_code.h"
#include "google/protobuf/util/json_util.h"
#include "proto/print_defaults.h"

namespace hiif::cli {
namespace {

std::string StateOf(const v1::Model& model) {
  absl::string_view name = v1::ModelState_Name(model.state());
  return absl::AsciiStrToLower(name.substr(name.rfind('_') + 1));
}

int PrintJson(const std::vector<v1::Model>& models) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  PrintDefaults(&options);
  std::string text = "[";
  for (const v1::Model& model : models) {
    std::string json;
    if (!google::protobuf::util::MessageToJsonString(model, &json, options).ok()) continue;
    absl::StrAppend(&text, text.size() > 1 ? ",\n " : "", json);
  }
  std::cout << text << "]\n";
  return kExitOk;
}

// What the checkpoint says of itself; "-": nothing.
std::string Told(const v1::Model& model, const char* key) {
  const auto found = model.metadata().find(key);
  return found == model.metadata().end() ? "-" : Visible(found->second);
}

void PrintTable(const std::vector<v1::Model>& models) {
  size_t width = 5;
  size_t psnr_width = 7;
  for (const v1::Model& model : models) {
    width = std::max(width, model.name().size());
    psnr_width = std::max(psnr_width, Told(model, "psnr").size());
  }
  const int name = static_cast<int>(width) + 2;
  const int psnr = static_cast<int>(psnr_width) + 2;
  std::cout << absl::StrFormat("%-*s%-14s%-10s%-15s%-8s%-12s%-10s%-8s%-*s%s\n", name, "MODEL",
                               "VERSION", "STATE", "ENCODER", "DECODER", "PARAMETERS", "BACKEND",
                               "DEVICE", psnr, "PSNR, dB", "SPEED");
  for (const v1::Model& model : models) {
    std::cout << absl::StrFormat("%-*s%-14s%-10s%-15s%-8s%-12d%-10s%-8s%-*s%s%s\n", name,
                                 Visible(model.name()), Visible(model.version()), StateOf(model),
                                 Visible(model.encoder()), Visible(model.decoder()),
                                 model.parameters(), Visible(model.backend()),
                                 Visible(model.device()), psnr, Told(model, "psnr"),
                                 Told(model, "speed"), model.is_default() ? "  (default)" : "");
    if (!model.error().empty()) std::cout << "  " << Visible(model.error()) << "\n";
  }
}

void PrintOne(const v1::Model& model) {
  PrintTable({model});
  std::cout << absl::StrFormat("\nprecision    %s\ncoordinates  %s\nweights      %.1f MB\n",
                               Visible(model.precision()), Visible(model.coordinates()),
                               static_cast<double>(model.memory_bytes()) / 1e6);
  for (const auto& [key, value] : model.metadata())
    std::cout << absl::StrFormat("%-12s %s\n", Visible(key), Visible(value));
}

}  // namespace

int RunModels(const ModelsFlags& flags, const Interrupt& interrupt) {
  auto connection = Connection::Open(flags.connection, interrupt.token());
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!connection.ok()) return Fail("models", connection.status());
  client::Client& client = (*connection)->client();
  const auto fetch = [&]() -> absl::StatusOr<std::vector<v1::Model>> {
    if (flags.name.empty()) return client.ListModels((*connection)->call());
    HIIF_ASSIGN_OR_RETURN(v1::Model model, client.GetModel(flags.name, (*connection)->call()));
    return std::vector<v1::Model>{std::move(model)};
  };
  // What they say of themselves is known when they are loaded.
  const absl::Status loaded = (*connection)->WaitForModel(flags.name);
  const auto models = loaded.ok() ? fetch() : loaded;
  if (interrupt.exit_code() != 0) return interrupt.exit_code();
  if (!models.ok()) return Fail("models", (*connection)->Explain(models.status()));
  if (flags.json) return PrintJson(*models);
  flags.name.empty() ? PrintTable(*models) : PrintOne(models->front());
  return kExitOk;
}

}  // namespace hiif::cli
