// What every program does alike: the common options, the device, progress, the JSON result, and one place
// where errors end.
#pragma once
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "apiq/device_options.hpp"
#include "apiq/result.hpp"
#include "common/options.hpp"
#include "common/progress.hpp"

namespace apiq::apps {

/// Exit statuses of the command-line contract.
enum ExitStatus { kDone = 0, kFailed = 1, kWrongUsage = 2, kInterrupted = 130 };

/// What every program can be told besides the device.
struct CommonSettings {
  std::uint64_t host_memory = 0, seed = 0;
  std::string json;
  bool quiet = false, verbose = false;

  template <class Visit>
  static void fields(Visit&& visit);
};

class Program {
 public:
  Program(const Options& options, std::string command);

  /// Opens the device chosen by the options, once.
  Device& device();
  /// Progress and log on standard error; stops at Ctrl-C (installed here, so programs that never ask keep the
  /// default action).
  Callbacks callbacks();
  /// One line on standard error unless --quiet.
  void log(const std::string& line);
  /// One line on standard error, --quiet or not; before or after the work, which may have a bar there.
  void warn(const std::string& line);
  /// Whether tables go to standard output: not when --json - puts the result there.
  bool prints_tables() const { return settings_.json != "-"; }

  RunInfo run_info() const;
  /// Writes the result if --json asks for it. Call with to_json(run_info(), ...).
  bool wants_json() const { return !settings_.json.empty(); }
  void write_json(const std::string& text) const;

  const std::string& name() const { return name_; }
  const std::string& command() const { return command_; }
  std::uint64_t seed() const { return settings_.seed; }
  const std::string& device_selector() const { return device_options_.selector; }
  bool verbose() const { return settings_.verbose; }
  /// Device time per kernel is recorded even without --verbose. Before the device is opened.
  void profile() { profile_ = true; }

  /// The profile report and the budget warning; called once after the body.
  void finish();
  /// Takes the bar off the terminal, before an error line for instance.
  void end_progress() { display_.reset(); }

  /// Adds --device, budgets, --seed, --json, --quiet, --verbose.
  void add_common(Options& options);

 private:
  std::string name_, command_;
  ListedDeviceOptions device_options_;
  CommonSettings settings_;
  bool profile_ = false;
  std::unique_ptr<Device> device_;
  std::unique_ptr<ProgressDisplay> display_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

/// main() of every program: adds the common options, parses, runs the body and turns what happened into an
/// exit status. An error is one line on standard error: "apiq-eval: error: ...".
int run_program(int argc, char** argv, Options& options, const std::function<int(Program&)>& body);

}  // namespace apiq::apps
