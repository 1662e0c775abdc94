// safetensors files, read strictly: every rule of the format is checked before a byte of the header is
// believed. Format: huggingface/safetensors, README.md and safetensors/src/tensor.rs.
#pragma once
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "tensor/tensor_source.hpp"
#include "util/mapped_file.hpp"

namespace apiq {

/// One file: u64 header size, JSON header, tensor bytes. NaN and Inf are legal values here.
class SafetensorsFile : public TensorSource {
 public:
  /// Throws IoError, FormatError (path, tensor and rule; a short file is named as an incomplete download),
  /// Unsupported (element types this program does not read, more than four dimensions).
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(std::string_view name) const override;
  std::span<const std::byte> bytes(std::string_view name) const override;
  void read(std::string_view name, std::uint64_t offset, std::span<std::byte> out) const override;
  void release(std::string_view name) const override;

  /// Part of a tensor's bytes: whole elements.
  using Visit =
      std::function<void(const TensorInfo& info, std::uint64_t offset, std::span<const std::byte> part)>;
  /// sha256 of the whole file, every byte of which is read once: tensors pass `visit` on the way, in the
  /// order of the file, at most kStreamChunkBytes at a time. Throws as TensorSource::read, and what visit
  /// throws.
  std::string sha256(const Visit& visit) const;

  const std::filesystem::path& path() const { return file_.path(); }
  /// The __metadata__ entry; empty if there is none.
  const std::map<std::string, std::string>& metadata() const { return metadata_; }

 private:
  MappedFile file_;
  std::vector<TensorInfo> infos_;                  // in name order
  std::vector<std::span<const std::byte>> spans_;  // of infos_
  std::map<std::string, std::string> metadata_;
};

/// Shards listed by a model.safetensors.index.json beside them.
class ShardedSafetensors : public TensorSource {
 public:
  /// Opens every shard; each tensor of the index must be in the shard it names and in no other. Throws as
  /// SafetensorsFile does.
  explicit ShardedSafetensors(const std::filesystem::path& index);

  const std::vector<TensorInfo>& tensors() const override { return infos_; }
  const TensorInfo* find(std::string_view name) const override;
  std::span<const std::byte> bytes(std::string_view name) const override;
  void read(std::string_view name, std::uint64_t offset, std::span<std::byte> out) const override;
  void release(std::string_view name) const override;

  /// In name order.
  std::vector<const SafetensorsFile*> files() const;

 private:
  const SafetensorsFile& owner(std::string_view name) const;
  std::map<std::string, std::unique_ptr<SafetensorsFile>> shards_;    // by file name
  std::map<std::string, const SafetensorsFile*, std::less<>> owner_;  // by tensor name
  std::vector<TensorInfo> infos_;
};

}  // namespace apiq
