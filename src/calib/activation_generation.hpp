// The samples of one pass on their way into a file: written by a background thread, awaited by others.
#pragma once
#include <atomic>
#include <exception>
#include <future>
#include <memory>
#include <mutex>

#include "calib/activation_file.hpp"
#include "calib/activation_store.hpp"
#include "util/sha256.hpp"

namespace apiq::calib {

class ActivationGeneration {
 public:
  /// A file under its own name if saved: samples must then be written in ascending order.
  ActivationGeneration(ActivationFile file, const ActivationLayout& layout, bool saved);
  /// A complete file, for reading.
  explicit ActivationGeneration(ActivationFile complete);

  // On the writing thread.
  /// Throws IoError, again for every sample after the first that failed.
  void write(std::uint32_t sample, std::span<const std::byte> bytes);
  /// After the last sample: flushes, names the file, completes saved().
  void finish();

  // On any thread.
  const ActivationFile& file() const { return file_; }
  /// Has, or will have, a name.
  bool is_saved() const { return saved_name_; }
  SavedStream saved() const { return saved_; }
  /// Throws what a write has thrown.
  void rethrow() const;
  /// Nobody will use the file: what is still to be written is skipped.
  void abandon() { abandoned_ = true; }

 private:
  void fail(std::exception_ptr error);
  ActivationFile file_;
  bool saved_name_;
  std::uint64_t bytes_ = 0;
  Sha256 hash_;  // of a file that is going to be saved
  std::promise<SavedFile> promise_;
  SavedStream saved_;
  std::atomic<bool> abandoned_ = false;
  mutable std::mutex mutex_;
  std::exception_ptr error_;
};

}  // namespace apiq::calib
