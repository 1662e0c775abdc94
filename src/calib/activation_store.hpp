// Activations of all calibration samples at one place of the model: on the device, in pinned host memory or
// in a file, brought to the device one sample at a time. Where they live changes time and memory, never
// results.
#pragma once
#include <cstdint>
#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <string_view>

#include "calib/activation_file.hpp"
#include "runtime/queue.hpp"

namespace apiq::calib {

using runtime::DeviceTensor;
using runtime::Queue;
using runtime::TensorView;

enum class Placement { device, host, file };

struct ActivationPlace {
  Placement placement = Placement::device;
  bool saves = false;  // passes may be saved; takes host memory unless the samples are there anyway
  std::filesystem::path
      scratch_folder;  // Placement::file: where generations that are not saved live, without names
  Trace* trace = nullptr;
};

/// A complete activation file.
struct SavedFile {
  std::filesystem::path path;
  std::string sha256;
  std::uint64_t bytes = 0;
};
/// Completes in the background; get() throws IoError if the file could not be written.
using SavedStream = std::shared_future<SavedFile>;

/// f32 [num_samples][tokens, features]. Used by the thread that uses the queue; reads and writes of files
/// happen on threads of its own.
class ActivationStore {
 public:
  ActivationStore();
  /// Contents undefined. Allocates everything it will need. Throws OutOfDeviceMemory, OutOfHostMemory.
  ActivationStore(Queue& queue, const ActivationLayout& layout, const ActivationPlace& place,
                  std::string_view what);
  /// Continues from a saved file; with Placement::file it is read where it is and never changed. sha256 may
  /// be empty if it has been checked. Throws IoError, FormatError (see ActivationFile::open).
  static ActivationStore load(Queue& queue, const ActivationLayout& layout, const ActivationPlace& place,
                              std::string_view what, const std::filesystem::path& path,
                              const std::string& sha256);
  /// Waits for saves whose pass has ended; a pass that has not ended leaves nothing.
  ~ActivationStore();
  ActivationStore(ActivationStore&&) noexcept;
  ActivationStore& operator=(ActivationStore&&) noexcept;

  /// Sample i on the device, f32 [tokens, features]; valid until the next open() or create() of this store,
  /// and after commit(i) for reading only. Ascending order is read ahead. Throws IoError; InvalidArgument in
  /// a pass that has committed i already.
  TensorView open(std::uint32_t sample);
  /// The same without its old contents: for a sample about to be written.
  TensorView create(std::uint32_t sample);
  /// Keeps what the computation enqueued so far writes to the view of the latest open() or create(), which
  /// was of this sample. Throws the IoError of an earlier sample that could not be written. Outside a pass
  /// not possible over a saved file (InvalidArgument).
  void commit(std::uint32_t sample);

  /// Brackets a pass that commits every sample once, in ascending order. Until its commit, open(i) reads what
  /// the sample was before the pass; in a file, old and new contents exist side by side until end_pass().
  /// With save_to the new contents also (file: only) become that file; its space is asked for here (IoError
  /// if the disk is full).
  void begin_pass(const std::filesystem::path& save_to = {});
  /// Returns at once; without save_to the result is not valid().
  SavedStream end_pass();

  bool on_device() const;
  /// How long calls have waited for the disk so far.
  double wait_seconds() const;

  /// What a store takes from the device budget and from the host budget, exactly; and the size of one
  /// generation in a file: a store with Placement::file has two while a pass runs, others only those that are
  /// saved.
  static std::uint64_t device_bytes(const ActivationLayout& layout, Placement placement);
  static std::uint64_t host_bytes(const ActivationLayout& layout, Placement placement, bool saves);
  static std::uint64_t file_bytes(const ActivationLayout& layout) { return ActivationFile::bytes(layout); }

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace apiq::calib
