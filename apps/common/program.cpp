#include "common/program.hpp"

#include <malloc.h>

#include <cstdio>
#include <new>

#include "apiq/error.hpp"
#include "apiq/option_names.hpp"
#include "apiq/tune.hpp"
#include "apiq/version.hpp"
#include "common/interrupt.hpp"

namespace apiq::apps {

namespace {

Compute parse_compute(const std::string& text) {
  for (const Compute value : {Compute::automatic, Compute::f32, Compute::bf16, Compute::f16})
    if (text == name_of(value)) return value;
  throw UsageError("expected auto, f32, bf16 or f16, found '" + text + "'");
}

}  // namespace

Program::Program(const Options& options, std::string command)
    : name_(options.program()), command_(std::move(command)) {
  device_options_.selector = default_device_selector();
}

void Program::add_common(Options& options) {
  options.group("Device and memory");
  options.value("device", "SEL", device_options_.selector,
                "auto, gpu, cpu, P:D (platform and device index) or part of the name of a device, vendor or "
                "platform; $APIQ_DEVICE sets the default");
  options.custom(
      "device-memory", "SIZE",
      [this](const std::string& text) { device_options_.memory_bytes = parse_size(text); },
      "hard budget for device memory, e.g. 8GiB", "what apiq-devices shows");
  options.custom(
      "host-memory", "SIZE", [this](const std::string& text) { host_memory_ = parse_size(text); },
      "budget for host memory; passing it is reported at the end", "none");
  options.custom(
      "compute", "TYPE", [this](const std::string& text) { device_options_.compute = parse_compute(text); },
      "auto, f32, bf16 or f16: what inputs of large products may be rounded to where the device has a matrix "
      "unit",
      "auto: bf16 in calibration, f16 in "
      "evaluation");
  options.group("Result and log");
  options.value("seed", "N", seed_, "same seed, same device, same bytes");
  options.value("json", "FILE", json_, "write the result as JSON (- = standard output, instead of tables)");
  options.flag("quiet", quiet_, "no progress and no log");
  options.flag("verbose", verbose_, "device time per kernel at the end, and compiler logs with build errors");
}

Device& Program::device() {
  if (!device_) {
    device_options_.profile = verbose_ || profile_;
    device_ = std::make_unique<Device>(Device::open(device_options_));
    const unsigned matching = device_->matching();
    log("device: " + device_->info().name +
        (matching > 1 ? " (of " + std::to_string(matching) + "; --device chooses)" : "") + ", budget " +
        size_text(device_->budget_bytes()));
    if (const std::string note = tuning_file_note(*device_); !note.empty()) log("warning: " + note);
  }
  return *device_;
}

Callbacks Program::callbacks() {
  if (!display_) display_ = std::make_unique<ProgressDisplay>(quiet_);
  Callbacks out;
  out.progress = [this](const Progress& progress) { display_->update(progress); };
  out.message = [this](const std::string& line) { display_->message(line); };
  out.stop = stop_on_interrupt();
  return out;
}

void Program::log(const std::string& line) {
  if (display_) {
    display_->message(line);
  } else if (!quiet_) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

RunInfo Program::run_info() const {
  RunInfo info;
  info.program = name_;
  info.command = command_;
  info.device = device_.get();
  info.seed = seed_;
  info.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return info;
}

void Program::write_json(const std::string& text) const { write_result(json_, text); }

void Program::finish() {
  end_progress();
  if (verbose_ && device_) std::fputs(device_->profile_report().c_str(), stderr);
  if (const std::uint64_t peak = peak_host_bytes(); host_memory_ && peak > host_memory_) {
    std::fprintf(stderr, "%s: warning: peak host memory %s passed --host-memory %s\n", name_.c_str(),
                 size_text(peak).c_str(), size_text(host_memory_).c_str());
  }
}

namespace {

int report(Program& program, const char* kind, const std::string& text, int status) {
  program.end_progress();
  std::string line = text.substr(0, text.find_last_not_of('\n') + 1);
  for (char& c : line)
    c = c == '\n' ? ' ' : c;  // the contract is one line, whatever a driver put into its message
  std::fprintf(stderr, "%s: %s%s\n", program.name().c_str(), kind, line.c_str());
  return status;
}

void print_version(const std::string& program) {
  std::printf("%s %s (commit %s)\n%s\n", program.c_str(), version(), commit(), library_versions().c_str());
}

int finish_output(int status) {
  // A full disk or a closed pipe behind standard output must not look like success.
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) throw IoError("standard output cannot be written");
  return status;
}

int guarded(Program& program, const std::function<int()>& body) {
  try {
    return finish_output(body());
  } catch (const UsageError& error) {
    return report(program, "error: ", error.what(), kWrongUsage);
  } catch (const InvalidArgument& error) {
    return report(program, "error: ", error.what(), kWrongUsage);
  } catch (const Interrupted& error) {
    return report(program, "", error.what(), kInterrupted);  // the text says "interrupted in ..."
  } catch (const BuildError& error) {
    report(program,
           "error: ", error.what() + std::string(program.verbose() ? "" : " (--verbose shows the whole log)"),
           kFailed);
    if (program.verbose()) std::fprintf(stderr, "%s\n", error.log().c_str());
    return kFailed;
  } catch (const std::bad_alloc&) {
    return report(program, "error: ",
                  "out of host memory; use a smaller model, fewer --samples or a shorter --sequence-length",
                  kFailed);
  } catch (const std::exception& error) {
    return report(program, "error: ", error.what(), kFailed);
  }
}

/// Large blocks get pages of their own, which go back to the system when they are freed. glibc would raise
/// this threshold by itself to 32 MiB, keep what is freed, and a run of many blocks would creep past
/// --host-memory.
void return_freed_memory() { mallopt(M_MMAP_THRESHOLD, 256 << 10); }

}  // namespace

int run_program(int argc, char** argv, Options& options, const std::function<int(Program&)>& body) {
  return_freed_memory();
  Program program(options, command_text(argc, argv));
  return guarded(program, [&]() -> int {
    program.add_common(options);
    options.parse(argc, argv);
    if (options.wants_help()) {
      std::fputs(options.help_text().c_str(), stdout);
      return kDone;
    }
    if (options.wants_version()) {
      print_version(options.program());
      return kDone;
    }
    const int status = body(program);
    program.finish();
    return status;
  });
}

}  // namespace apiq::apps
