// apiq-batch: the jobs of a manifest, each step a process of its own, and one table of what came out.
#include <cstdio>
#include <limits>

#include "apiq/batch.hpp"
#include "apiq/error.hpp"
#include "common/program.hpp"
#include "common/table.hpp"

namespace {

using namespace apiq;
using namespace apiq::apps;

struct Settings {
  std::filesystem::path manifest;
  std::string jobs, shard, csv;
  bool dry_run = false;

  template <class Visit>
  static void fields(Visit&& visit) {
    using S = Settings;
    constexpr const char* kGroup = "Jobs";
    visit(&S::manifest, Field{.name = "MANIFEST.json",
                              .help = "models, options and evaluation; docs/batch.md describes it",
                              .group = kGroup,
                              .required = true,
                              .positional = true});
    visit(&S::jobs, Field{.name = "jobs",
                          .placeholder = "PATTERN",
                          .help = "only jobs whose name matches this shell pattern",
                          .group = kGroup});
    visit(&S::shard, Field{.name = "shard",
                           .placeholder = "I/N",
                           .help = "only every N-th job, from the I-th on (1 to N): for job arrays",
                           .group = kGroup});
    visit(&S::dry_run, Field{.name = "dry-run",
                             .help = "print the command lines and what would be run, then stop",
                             .group = kGroup});
    visit(&S::csv, Field{.name = "csv",
                         .placeholder = "FILE",
                         .help = "write the table as comma-separated values (- = standard output)",
                         .group = "Result",
                         .writes = true});
  }
};

double or_nan(const std::optional<double>& value) {
  return value.value_or(std::numeric_limits<double>::quiet_NaN());
}
std::string or_dash(const std::string& text) { return text.empty() ? "-" : text; }
std::string number_text(const std::optional<std::uint64_t>& value) {
  return value ? std::to_string(*value) : "-";
}
std::string memory_text(const std::optional<std::uint64_t>& bytes) { return bytes ? size_text(*bytes) : "-"; }
std::string time_text(const std::optional<double>& seconds) {
  return seconds ? duration_text(*seconds) : "-";
}

void print_table(const BatchResult& result) {
  Table table({"job", "method", "bits", "group", "rank", "seed", "bits/weight", "LoRA", "last error",
               "perplexity", "time", "device memory", "host memory", "status"});
  for (const BatchRow& r : result.rows) {
    table.row({r.job, or_dash(r.method), number_text(r.bits), or_dash(r.group_size), number_text(r.rank),
               number_text(r.seed), significant(or_nan(r.bits_per_weight)),
               significant(or_nan(r.adapter_bits_per_weight)), significant(or_nan(r.relative_error)),
               significant(or_nan(r.perplexity), 6),
               time_text(r.quantize_seconds ? r.quantize_seconds : r.eval_seconds),
               memory_text(r.peak_device_bytes), memory_text(r.peak_host_bytes), status_name(r.status)});
  }
  table.print();
  for (const BatchRow& r : result.rows) {
    if (r.status == BatchStatus::failed) std::printf("%s: %s\n", r.job.c_str(), r.error.c_str());
  }
}

/// Options of every program that say nothing about a batch.
void check_usage(const Options& options) {
  for (const char* name : {"seed", "device-memory", "host-memory"}) {
    if (options.given(name))
      throw UsageError(std::string("--") + name +
                       ": a batch takes it from the manifest; write it under 'defaults' or a job");
  }
}

int run(Program& program, const Options& options, const Settings& s) {
  check_usage(options);
  Batch batch = read_batch(s.manifest, std::filesystem::read_symlink("/proc/self/exe").parent_path());
  if (options.given("device")) batch.devices = {program.device_selector()};
  if (options.given("jobs")) select_jobs(batch, s.jobs);
  if (options.given("shard")) select_shard(batch, s.shard);
  if (s.dry_run) {
    for (const std::string& line : describe_batch(batch)) std::printf("%s\n", line.c_str());
    return kDone;
  }
  const BatchResult result = run_batch(batch, program.callbacks());
  program.end_progress();
  if (program.prints_tables() && s.csv != "-") print_table(result);
  if (program.wants_json()) program.write_json(to_json(program.run_info(), result));
  if (!s.csv.empty()) write_result(s.csv, to_csv(result));
  if (result.interrupted) throw Interrupted("interrupted; the same command goes on where it was");
  if (result.failed) {
    throw Error(std::to_string(result.failed) + " of " + std::to_string(result.rows.size()) +
                " jobs failed; their logs are in " +
                (batch.folder / batch.output).lexically_normal().string());
  }
  return kDone;
}

}  // namespace

int main(int argc, char** argv) {
  Settings settings;
  Options options(
      "apiq-batch",
      "run the quantize and eval jobs of a manifest, skip those that are finished, and print one table",
      "MANIFEST.json [options]");
  options.fields(settings);
  return run_program(argc, argv, options, [&](Program& program) { return run(program, options, settings); });
}
