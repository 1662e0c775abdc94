// One stream of activations in a file: docs/work-directory.md, "Activation files".
#pragma once
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace apiq::calib {

/// f32 [num_samples][tokens, features].
struct ActivationLayout {
  std::uint32_t num_samples = 0;
  std::uint64_t tokens = 0, features = 0;

  std::uint64_t sample_bytes() const { return tokens * features * sizeof(float); }
};

/// An open file. Safe for several threads that touch different samples.
class ActivationFile {
 public:
  static constexpr std::uint64_t kHeaderBytes = 64;
  static std::uint64_t bytes(const ActivationLayout& layout) {
    return kHeaderBytes + layout.num_samples * layout.sample_bytes();
  }

  // Files to be filled. Their space is set aside at once where the file system can do that, so that a full
  // disk is found before any work is spent. Throw IoError: path, bytes needed, what to do.

  /// Without a name: gone when closed, however the program ends.
  static ActivationFile scratch(const std::filesystem::path& folder, const ActivationLayout& layout);
  /// Under a temporary name until publish(), removed if that never comes.
  static ActivationFile create(const std::filesystem::path& path, const ActivationLayout& layout);

  /// A complete file. Throws IoError, FormatError (not such a file, another layout, another size, another
  /// sha256 unless that is empty).
  static ActivationFile open(const std::filesystem::path& path, const ActivationLayout& layout,
                             const std::string& sha256);

  ~ActivationFile();
  ActivationFile(ActivationFile&& other) noexcept;
  ActivationFile& operator=(ActivationFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  /// Bytes of a sample. Throws IoError.
  void write(std::uint32_t sample, std::span<const std::byte> bytes) const;
  void read(std::uint32_t sample, std::uint64_t offset, std::span<std::byte> out) const;
  /// Flushes to disk and gives the file its name. Throws IoError.
  void publish();
  /// The first kHeaderBytes, for a checksum on the fly.
  static std::string header(const ActivationLayout& layout);

 private:
  ActivationFile(int fd, std::filesystem::path path, const ActivationLayout& layout)
      : fd_(fd), path_(std::move(path)), layout_(layout) {}
  void reserve() const;
  void write_at(std::uint64_t offset, std::span<const std::byte> bytes) const;
  [[noreturn]] void fail_writing(int error) const;
  std::uint64_t position(std::uint32_t sample) const {
    return kHeaderBytes + sample * layout_.sample_bytes();
  }

  int fd_ = -1;
  std::filesystem::path path_, temporary_;
  ActivationLayout layout_;
};

}  // namespace apiq::calib
