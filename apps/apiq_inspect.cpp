// apiq-inspect: what is in a checkpoint or model directory, whether it is intact, and how it differs from another.
#include <cstdio>

#include "apiq/inspect.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  std::filesystem::path file, other;
  bool verify = false;
};

void print_linears(const FileSummary& summary) {
  if (summary.linears.empty()) return;
  Table table({"linear", "shape", "bits", "group", "grid", "rank", "size", "LoRA"});
  for (const LinearSummary& l : summary.linears) {
    table.row({l.name, std::to_string(l.out_features) + " x " + std::to_string(l.in_features), std::to_string(l.bits),
               l.group_size == l.in_features ? "row" : std::to_string(l.group_size), l.symmetric ? "symmetric" : "asymmetric", std::to_string(l.rank),
               size_text(l.bytes), l.rank ? size_text(l.adapter_bytes) : "none"});
  }
  table.print();
  std::printf("\n");
}

void print_tensors(const FileSummary& summary) {
  Table table({"tensor", "dtype", "shape", "size"});
  for (const TensorSummary& t : summary.tensors) table.row({t.name, t.dtype, t.shape, size_text(t.bytes)});
  table.print();
  std::printf("\n");
}

void print_text(const char* title, const std::string& text) {
  if (!text.empty()) std::printf("%s\n%s\n\n", title, text.c_str());
}

void print_summary(const FileSummary& summary) {
  print_linears(summary);
  print_tensors(summary);
  print_text("Options", summary.options_json);
  print_text("Provenance", summary.provenance_json);
  print_text("Blocks", summary.report_json);
  print_text("Configuration", summary.config_json);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"path", summary.path}, {"kind", summary.kind}, {"total size", size_text(summary.total_bytes)}};
  if (!summary.dense_linears.empty())
    rows.push_back(
        {"linears", std::to_string(summary.linears.size()) + " quantized, " + std::to_string(summary.dense_linears.size()) + " left as they are"});
  if (!summary.linears.empty()) {
    rows.push_back({"method", summary.method});
    rows.push_back({"bits per weight", decimals(summary.bits_per_weight, 3) + " + " + decimals(summary.adapter_bits_per_weight, 3) + " LoRA"});
  }
  std::string files;
  for (const std::string& name : summary.side_files) files += (files.empty() ? "" : ", ") + name;
  if (!files.empty()) rows.push_back({"files inside", files});
  print_pairs(rows);
}

int run_compare(Program& program, const Settings& s) {
  const std::vector<std::string> differences = compare(s.file, s.other);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), differences));
  if (program.prints_tables()) {
    for (const std::string& line : differences) std::printf("%s\n", line.c_str());
    if (differences.empty()) std::printf("no difference\n");
  }
  return differences.empty() ? kDone : kFailed;
}

int run(Program& program, const Settings& s) {
  if (s.verify) {
    verify(s.file);
    program.log(s.file.string() + ": every checksum and every tensor is as it should be");
  }
  if (!s.other.empty()) return run_compare(program, s);
  const FileSummary summary = inspect(s.file);
  if (program.prints_tables()) print_summary(summary);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), summary));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-inspect", "show, verify and compare checkpoints and model directories", "FILE [--verify] [--compare FILE2] [options]");
  options.group("Input");
  options.positional("FILE", settings.file, "checkpoint .h5 or Hugging Face directory");
  options.flag("verify", settings.verify, "read everything, check every checksum and every tensor against the configuration");
  options.value("compare", "FILE2", settings.other, "list what differs instead; exit status 1 if anything does");
  return run_program(argc, argv, options, [&](Program& program) { return run(program, settings); });
}
