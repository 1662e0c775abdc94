#include "batch/job_run.hpp"

#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "apiq/error.hpp"
#include "batch/rows.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

namespace fs = std::filesystem;

constexpr double kGraceSeconds = 30;  // between the request to stop and the end by force

/// The last line with something in it, of a log that may be long.
std::string last_line(const fs::path& log) {
  std::ifstream file(log, std::ios::binary | std::ios::ate);
  const auto size = static_cast<std::streamoff>(file ? static_cast<std::streamoff>(file.tellg()) : 0);
  std::string text(
      static_cast<std::size_t>(std::min<std::streamoff>(std::max<std::streamoff>(size, 0), 4096)), '\0');
  file.seekg(size - static_cast<std::streamoff>(text.size()));
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  const std::size_t end = text.find_last_not_of(" \r\n");
  if (end == std::string::npos) return {};
  const std::size_t newline = text.find_last_of('\n', end);
  const std::size_t begin = newline == std::string::npos ? 0 : newline + 1;
  return excerpt(std::string_view(text).substr(begin, end + 1 - begin), 400);
}

std::string seconds_text(double seconds) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", seconds);
  return text;
}

}  // namespace

std::string failure_text(const ProcessEnd& end, const fs::path& log) {
  const std::string line = last_line(log);
  // Wrong usage or a failure that the program noticed: its own line says it all.
  if (end.signal == 0 && (end.status == 1 || end.status == 2 || end.status == 127) && !line.empty())
    return line;
  std::string out = "ended with status " + std::to_string(end.status);
  if (end.signal) {
    out = "killed by signal " + std::to_string(end.signal) + " (" + ::strsignal(end.signal) + ")";
    if (end.signal == SIGKILL) out += ", as the system does when memory runs out";
  }
  return out + (line.empty() ? "; its log is empty" : "; the last line of its log: " + line);
}

JobRun::JobRun(const Batch& batch, const BatchJob& job, std::string device, BatchRow& row,
               const Callbacks& callbacks)
    : batch_(batch), job_(job), device_(std::move(device)), row_(row), callbacks_(callbacks) {}

bool JobRun::advance() {
  try {
    if (process_) {
      const auto end = process_->poll();
      if (!end) {
        limit_time();
        return false;
      }
      process_.reset();
      if (!end_step(*end)) return true;
    }
    for (; index_ < job_.steps.size(); ++index_) {
      if (pass_step()) continue;
      start_step();
      return false;
    }
    row_.status = fresh_ ? BatchStatus::done : BatchStatus::kept;
  } catch (const std::exception& error) {  // nothing that one job meets may stop the others
    process_.reset();
    log_.close();
    fail(error.what());
  }
  return true;
}

void JobRun::interrupt() {
  if (interrupted_ || !process_) return;
  interrupted_ = true;
  process_->terminate();
}

/// A step past its limit is asked to stop, so that it keeps what it has finished, and killed if it does not.
void JobRun::limit_time() {
  const double seconds = seconds_since_start();
  if (batch_.time_limit == 0 || seconds < batch_.time_limit) return;
  if (!too_long_) process_->terminate();
  too_long_ = true;
  if (seconds >= batch_.time_limit + kGraceSeconds) process_->kill();
}

bool JobRun::pass_step() {
  files_ = step_files(batch_, step());
  state_ = load_state(files_);
  nlohmann::json key = step_key(batch_, step(), first_key_);
  if (first_key_.is_null()) first_key_ = key;
  if (!fresh_ && is_finished(files_, state_, key)) {
    add_result(row_, batch_, step());
    return true;
  }
  const std::string changed = state_.key.is_null() ? "" : changed_parts(state_.key, key);
  outdated_ = !changed.empty();
  if (outdated_) say(step().id + ": done again, changed since: " + changed);
  state_ = {std::move(key), BatchStatus::not_run, {}, device_, 0};
  return false;
}

void JobRun::start_step() {
  auto log = open_locked(files_.log);
  if (!log) throw IoError(files_.log.string() + ": another process is running this step");
  log_ = std::move(*log);
  if (::ftruncate(log_.get(), 0) != 0) throw IoError(files_.log.string() + ": cannot be emptied");
  std::vector<std::string> arguments = step().arguments;
  if (outdated_ && batch_.programs.at(step().program).can_restart) arguments.push_back("--restart");
  if (!device_.empty()) arguments.insert(arguments.end(), {"--device", device_});
  arguments.insert(arguments.end(), {"--json", (batch_.output / (step().id + ".json")).string()});
  fs::remove(files_.result);  // an old result must not pass for the new one
  // From here on an unfinished run is one of this key: the same key again may continue it, another must not.
  state_.status = BatchStatus::failed;
  state_.error = "did not end";
  save_state(files_, state_);
  start_ = std::chrono::steady_clock::now();
  too_long_ = false;
  say(step().id + ": started" + (device_.empty() ? "" : " on " + device_));
  process_ = std::make_unique<Process>(batch_.programs.at(step().program).path, arguments, batch_.folder,
                                       log_.get());
  fresh_ = true;
}

/// True if the job goes on.
bool JobRun::end_step(const ProcessEnd& end) {
  state_.seconds = seconds_since_start();
  log_.close();
  if (end.status == 0 && end.signal == 0) {
    if (!fs::exists(files_.result))
      throw IoError(step().id + ": ended with status 0 but left no result " + files_.result.string());
    add_result(row_, batch_, step());
    state_.status = BatchStatus::done;
    state_.error.clear();
    save_state(files_, state_);
    say(step().id + ": done in " + seconds_text(state_.seconds));
    ++index_;
    if (!interrupted_ || index_ == job_.steps.size()) return true;
    row_.status = BatchStatus::interrupted;
    return false;
  }
  state_.error = error_of(end);
  save_state(files_, state_);
  if (interrupted_) {
    row_.status = BatchStatus::interrupted;
  } else {
    fail(state_.error);
  }
  return false;
}

std::string JobRun::error_of(const ProcessEnd& end) const {
  if (interrupted_) return "interrupted";
  if (!too_long_) return failure_text(end, files_.log);
  return "stopped: it took longer than the manifest's time_limit of " + seconds_text(batch_.time_limit);
}

double JobRun::seconds_since_start() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

void JobRun::fail(const std::string& error) {
  row_.status = BatchStatus::failed;
  row_.error = error;
  say((index_ < job_.steps.size() ? step().id : job_.name) + ": failed: " + error);
}

void JobRun::say(const std::string& line) const {
  if (callbacks_.message) callbacks_.message(line);
}

}  // namespace apiq
