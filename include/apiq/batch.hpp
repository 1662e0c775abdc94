// Many quantize and eval jobs from one manifest, each step in a process of its own; finished ones are not
// done again (docs/batch.md).
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "apiq/progress.hpp"

namespace apiq {

/// One process: a program and its arguments, without --device and --json, which are added when it starts.
struct BatchStep {
  std::string program;  // "quantize", "eval" or "export"
  std::string id;       // "NAME.quantize": stem of its result (.json), log (.log) and state (.state)
  std::vector<std::string> arguments;  // paths relative to Batch::folder
  std::vector<std::filesystem::path>
      inputs;                     // files and model directories whose change makes the step outdated
  std::filesystem::path product;  // what it writes besides its result; empty if nothing
};

/// Steps that run one after the other on one device: quantize the model, evaluate the result.
struct BatchJob {
  std::string name;
  std::string model;  // its name in the manifest
  std::map<std::string, std::string>
      settings;  // options that the manifest gives, by long name; shown where there is no result yet
  std::vector<BatchStep> steps;
};

struct BatchProgram {
  std::filesystem::path path;
  std::string version;  // the first line of --version
  bool can_restart =
      false;  // has --restart: keeps state of unfinished runs, and is told when that is of other settings
};

struct Batch {
  std::filesystem::path manifest;
  std::filesystem::path folder;  // of the manifest: working directory of every step
  std::filesystem::path output;  // relative to `folder`
  std::vector<std::string>
      devices;  // one job at a time on each; an empty selector leaves the choice to the program
  std::map<std::string, BatchProgram> programs;
  std::vector<BatchJob> jobs;
  double time_limit = 0;  // seconds that a step may take, 0: any; one that takes longer has failed
  bool is_shard = false;  // other shards may run in the output folder at the same time
};

/// Reads and checks a manifest: names, types, options (against the programs' own --describe), models and
/// texts. Programs are looked for in `program_folder` unless the manifest names them. Nothing is written.
/// Throws FormatError (file and key), IoError.
Batch read_batch(const std::filesystem::path& manifest, const std::filesystem::path& program_folder);

/// Keeps the jobs whose name matches a shell pattern. Throws InvalidArgument if none does.
void select_jobs(Batch& batch, const std::string& pattern);

/// "2/8" keeps the 2nd, 10th, 18th ... job; all shards together are the batch. Throws InvalidArgument.
void select_shard(Batch& batch, const std::string& shard);

enum class BatchStatus { not_run, kept, done, failed, interrupted };  // kept: finished in an earlier run
const char* status_name(BatchStatus status);                          // "not run", "kept", ...

/// What is known of a job: from the manifest, and from the results that its steps wrote.
struct BatchRow {
  std::string job, model, method;
  std::string group_size;  // "64", "row"
  std::optional<std::uint64_t> bits, rank, seed;
  std::optional<double> perplexity, bits_per_weight, adapter_bits_per_weight;
  std::optional<double> relative_error;  // of the last block's output
  std::optional<double> quantize_seconds, eval_seconds;
  std::optional<std::uint64_t> peak_device_bytes, peak_host_bytes;  // the largest of the steps
  BatchStatus status = BatchStatus::not_run;
  std::string error;             // one line; empty unless the status is failed
  std::vector<std::string> log;  // paths of the steps' logs
};

struct BatchResult {
  std::vector<BatchRow> rows;  // in the order of the jobs
  std::size_t failed = 0;
  bool interrupted = false;
};

/// Runs what is not finished. A failed step ends its job, never the others, and is not tried again in this
/// run. callbacks.stop asks the running steps to stop (SIGTERM), waits for them and returns with
/// `interrupted` set. Results, logs and states are in the output folder. Throws IoError (output folder cannot
/// be written), InvalidArgument (another batch uses it).
BatchResult run_batch(const Batch& batch, const Callbacks& callbacks = {});

/// One line a step, as run_batch would act now: "# NAME.quantize: to run", then the command line. A shell
/// script.
std::vector<std::string> describe_batch(const Batch& batch);

/// A header and a line for every row, comma-separated (RFC 4180), empty where a value is not known. No line
/// end after the last: write_result adds it.
std::string to_csv(const BatchResult& result);

}  // namespace apiq
