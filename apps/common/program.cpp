#include "common/program.hpp"

#include <malloc.h>

#include <cstdio>
#include <new>

#include "apiq/error.hpp"
#include "apiq/tune.hpp"
#include "apiq/version.hpp"
#include "common/interrupt.hpp"

namespace apiq::apps {

template <class Visit>
void CommonSettings::fields(Visit&& visit) {
  using S = CommonSettings;
  constexpr const char* kGroup = "Result and log";
  visit(&S::host_memory,
        Field{.name = "host-memory",
              .placeholder = "SIZE",
              .help = "budget of the process's resident size; passing it is reported at the end",
              .group = "Device and memory",
              .default_words = "none",
              .unit = Unit::bytes});
  visit(
      &S::seed,
      Field{
          .name = "seed", .placeholder = "N", .help = "same seed, same device, same bytes", .group = kGroup});
  visit(&S::json, Field{.name = "json",
                        .placeholder = "FILE",
                        .help = "write the result as JSON (- = standard output, instead of tables)",
                        .group = kGroup,
                        .writes = true});
  visit(&S::quiet, Field{.name = "quiet", .help = "no progress and no log", .group = kGroup});
  visit(&S::verbose, Field{.name = "verbose",
                           .help = "device time per kernel at the end, and compiler logs with build errors",
                           .group = kGroup});
}

Program::Program(const Options& options, std::string command)
    : name_(options.program()), command_(std::move(command)) {
  device_options_.selector = default_device_selector();
}

void Program::add_common(Options& options) {
  options.fields(device_options_);
  options.fields(settings_);
}

Device& Program::device() {
  if (!device_) {
    device_options_.profile = settings_.verbose || profile_;
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
  if (!display_) display_ = std::make_unique<ProgressDisplay>(settings_.quiet);
  Callbacks out;
  out.progress = [this](const Progress& progress) { display_->update(progress); };
  out.message = [this](const std::string& line) { display_->message(line); };
  out.stop = stop_on_interrupt();
  return out;
}

void Program::log(const std::string& line) {
  if (display_) {
    display_->message(line);
  } else if (!settings_.quiet) {
    std::fprintf(stderr, "%s\n", line.c_str());
  }
}

void Program::warn(const std::string& line) {
  std::fprintf(stderr, "%s: warning: %s\n", name_.c_str(), line.c_str());
}

RunInfo Program::run_info() const {
  RunInfo info;
  info.program = name_;
  info.command = command_;
  info.device = device_.get();
  info.seed = settings_.seed;
  info.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  return info;
}

void Program::write_json(const std::string& text) const { write_result(settings_.json, text); }

void Program::finish() {
  end_progress();
  if (settings_.verbose && device_) std::fputs(device_->profile_report().c_str(), stderr);
  const std::uint64_t budget = settings_.host_memory;
  if (const std::uint64_t peak = peak_host_bytes(); budget && peak > budget)
    warn("peak host memory " + size_text(peak) + " passed --host-memory " + size_text(budget));
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
    if (options.wants_description()) {
      std::printf("%s\n", options.description().c_str());
      return kDone;
    }
    // Hours of work must not end at a folder that is not there.
    for (const std::filesystem::path& output : options.outputs()) check_writable(output);
    const int status = body(program);
    program.finish();
    return status;
  });
}

}  // namespace apiq::apps
