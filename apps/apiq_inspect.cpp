// apiq-inspect: what is in a checkpoint or model directory, whether it is intact, and how it differs from
// another.
#include <cstdio>
#include <map>
#include <optional>

#include "apiq/error.hpp"
#include "apiq/inspect.hpp"
#include "apiq/plot.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  std::filesystem::path file, other, plot, html, run;
  bool verify = false;

  bool wants_pictures() const { return !plot.empty() || !html.empty(); }

  template <class Visit>
  static void fields(Visit&& visit) {
    using S = Settings;
    constexpr const char *kInput = "Input", *kPictures = "Pictures of a checkpoint";
    visit(&S::file, Field{.name = "FILE",
                          .help = "checkpoint .h5 or Hugging Face directory",
                          .group = kInput,
                          .required = true,
                          .positional = true});
    visit(&S::verify, Field{.name = "verify",
                            .help = "read everything, check every checksum and every tensor against the "
                                    "configuration",
                            .group = kInput});
    visit(&S::other, Field{.name = "compare",
                           .placeholder = "FILE2",
                           .help = "list what differs instead; exit status 1 if anything does",
                           .group = kInput});
    visit(&S::plot,
          Field{.name = "plot",
                .placeholder = "FILE.svg",
                .help = "error of each block and linear, loss curves, time and memory of each block",
                .group = kPictures,
                .writes = true});
    visit(&S::html, Field{.name = "html",
                          .placeholder = "FILE.html",
                          .help = "the same on one page with settings, provenance, command and tables",
                          .group = kPictures,
                          .writes = true});
    visit(&S::run, Field{.name = "run",
                         .placeholder = "FILE.json",
                         .help = "where times and memory are: a --json result of apiq-quantize",
                         .group = kPictures,
                         .default_words = "FILE.run.json if it is there"});
  }
};

std::vector<std::string> quantized_row(const LinearSummary& l, const std::string& error) {
  return {l.name,
          std::to_string(l.out_features) + " x " + std::to_string(l.in_features),
          std::to_string(l.bits),
          l.group_size == l.in_features ? "row" : std::to_string(l.group_size),
          l.symmetric ? "symmetric" : "asymmetric",
          std::to_string(l.rank),
          size_text(l.bytes),
          l.rank ? size_text(l.adapter_bytes) : "none",
          error};
}

/// "128 x 256" of "[128, 256]".
std::string shape_text(const TensorSummary& tensor) {
  std::string out;
  for (const char c : tensor.shape) {
    if (c == ',') out += " x";
    else if (c != '[' && c != ']') out += c;
  }
  return out;
}

/// A linear that was left as it is: its weight is among the tensors.
std::vector<std::string> dense_row(const FileSummary& summary, const std::string& name) {
  for (const TensorSummary& t : summary.tensors)
    if (t.name == name + ".weight")
      return {name, shape_text(t), t.dtype, "-", "as it is", "-", size_text(t.bytes), "none", "-"};
  return {name, "-", "-", "-", "as it is", "-", "-", "none", "-"};
}

void print_linears(const FileSummary& summary, const std::vector<BlockReport>& blocks) {
  std::map<std::string, std::string> errors;
  for (const BlockReport& block : blocks)
    for (const LinearReport& linear : block.linears) errors[linear.name] = significant(linear.weight_error);
  std::map<std::string, const LinearSummary*> quantized;
  for (const LinearSummary& l : summary.linears) quantized[l.name] = &l;
  if (summary.linear_names.empty()) return;
  Table table({"linear", "shape", "bits", "group", "grid", "rank", "size", "LoRA", "weight error"});
  for (const std::string& name : summary.linear_names) {
    const auto it = quantized.find(name);
    table.row(it == quantized.end() ? dense_row(summary, name)
                                    : quantized_row(*it->second, errors.count(name) ? errors.at(name) : "-"));
  }
  table.print();
  std::printf("\n");
}

void print_blocks(const std::vector<BlockReport>& blocks) {
  if (blocks.empty()) return;
  Table table({"block", "epochs", "first loss", "last loss", "relative error", "skipped steps"});
  for (const BlockReport& b : blocks)
    table.row({std::to_string(b.index), std::to_string(b.losses.size()), significant(b.loss_first),
               significant(b.loss_last), significant(b.relative_error), std::to_string(b.skipped_steps)});
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

void print_settings(const char* title, const std::string& json_text) {
  if (json_text.empty()) return;
  std::printf("%s\n", title);
  print_pairs(setting_rows(json_text));
  std::printf("\n");
}

void print_summary(const FileSummary& summary) {
  const std::vector<BlockReport> blocks = block_reports(summary);
  print_linears(summary, blocks);
  print_tensors(summary);
  print_blocks(blocks);
  print_settings("Options", summary.options_json);
  print_settings("Provenance", summary.provenance_json);
  print_text("Configuration", summary.config_json);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"path", summary.path}, {"kind", summary.kind}, {"total size", size_text(summary.total_bytes)}};
  if (!summary.dense_linears.empty())
    rows.push_back({"linears", std::to_string(summary.linears.size()) + " quantized, " +
                                   std::to_string(summary.dense_linears.size()) + " left as they are"});
  if (!summary.linears.empty()) {
    const LinearSettingTexts texts = setting_texts(summary);
    rows.push_back({"method", summary.method});
    rows.push_back({"bits", texts.bits});
    rows.push_back({"group size", texts.group_size});
    rows.push_back({"LoRA rank", texts.rank});
    rows.push_back({"bits per weight", decimals(summary.bits_per_weight, 3) + " + " +
                                           decimals(summary.adapter_bits_per_weight, 3) + " LoRA"});
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

/// The record that --run names, or the one beside the checkpoint; none if it is not there or not of this
/// checkpoint.
std::optional<RunRecord> find_run(Program& program, const Settings& s, const FileSummary& summary) {
  const std::filesystem::path path = s.run.empty() ? run_record_path(s.file) : s.run;
  if (s.run.empty() && !std::filesystem::exists(path)) {
    program.log(path.string() + ": not there, so time and memory are left out; --run names another");
    return {};
  }
  try {
    RunRecord record = read_run_record(path);
    const std::string difference = run_mismatch(summary, record);
    if (difference.empty()) return record;
    program.log(path.string() +
                ": is not of this checkpoint, so time and memory are left out: " + difference);
  } catch (const Error& error) {
    if (!s.run.empty()) throw;  // asked for by name
    program.log(std::string(error.what()) + "; time and memory are left out");
  }
  return {};
}

void write_pictures(Program& program, const Settings& s, const FileSummary& summary) {
  const std::optional<RunRecord> record = find_run(program, s, summary);
  const RunRecord* run = record ? &*record : nullptr;
  if (!s.plot.empty()) write_result(s.plot.string(), plot_svg(summary, run));
  if (!s.html.empty()) write_result(s.html.string(), html_report(summary, run));
}

void check_usage(const Settings& s) {
  if (s.plot == "-" || s.html == "-")
    throw UsageError("--plot and --html: expected a file to write, found '-'");
  if (s.wants_pictures() && !s.other.empty())
    throw UsageError("--compare: with --plot or --html there is nothing to compare; use one of them");
  if (!s.run.empty() && !s.wants_pictures())
    throw UsageError("--run: only --plot and --html use it, and neither is given");
}

int run(Program& program, const Settings& s) {
  check_usage(s);
  if (s.verify) {
    verify(s.file);
    program.log(s.file.string() + ": every checksum and every tensor is as it should be");
  }
  if (!s.other.empty()) return run_compare(program, s);
  const FileSummary summary = inspect(s.file);
  if (s.wants_pictures()) write_pictures(program, s, summary);
  if (program.prints_tables()) print_summary(summary);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), summary));
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options("apiq-inspect", "show, verify and compare checkpoints and model directories",
                  "FILE [--verify] [--compare FILE2] [--plot FILE.svg] [--html FILE.html] [options]");
  options.fields(settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, settings); });
}
