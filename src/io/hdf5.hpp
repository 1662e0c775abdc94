// HDF5 calls, checked: owned ids, errors as one line that names file and object, nothing printed by the
// library. Writing functions throw IoError; reading functions treat the file as untrusted and throw
// FormatError.
#pragma once
#include <hdf5.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace apiq::hdf5 {

/// Owns one id. close() reports failure; the destructor is silent.
class Handle {
 public:
  using Closer = herr_t (*)(hid_t);

  Handle() = default;
  Handle(hid_t id, Closer closer) : id_(id), closer_(closer) {}
  Handle(Handle&& other) noexcept : id_(std::exchange(other.id_, -1)), closer_(other.closer_) {}
  Handle& operator=(Handle&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(closer_, other.closer_);
    return *this;
  }
  ~Handle() { close(); }

  hid_t get() const { return id_; }
  /// False if HDF5 refused (a flush on a full disk, say); the id is given up either way.
  bool close() noexcept;

 private:
  hid_t id_ = -1;
  Closer closer_ = nullptr;
};

/// A file, group or dataset, and the text that names it in errors ("model.h5: /linears/x").
struct Node {
  Handle handle;
  std::string file;
  std::string path;  // "/" for the root

  std::string where() const { return file + ": " + path; }
  hid_t id() const { return handle.get(); }
};

/// Element types of a checkpoint, all little-endian. f16 is IEEE binary16 as a real HDF5 float type (h5py:
/// float16).
enum class Element { u8, u16, u32, f16, f32 };

std::size_t size_of(Element element);
const char* name_of(Element element);

inline constexpr std::uint64_t kMaxChunkBytes = std::uint64_t{1} << 20;
inline constexpr std::size_t kMaxAttributeBytes =
    60000;  // HDF5's limit for an object header message is 64 KiB

// Files, groups, links
// ---------------------------------------------------------------------------------------------------------

/// New file in the HDF5 1.10 format, in which all structure carries checksums; no time stamps; errors call it
/// `shown_as` (a writer's temporary name means nothing to its user). Throws IoError.
Node create_file(const std::filesystem::path& path, const std::string& shown_as);
/// Read-only, without locks (files are replaced, never edited). Throws IoError if absent, FormatError if
/// damaged.
Node open_file(const std::filesystem::path& path);
Node create_group(const Node& parent, const std::string& name);
/// Hard links only: soft, external and user-defined links are FormatErrors, as are missing names and other
/// objects.
Node open_group(const Node& parent, const std::string& name);
bool has_child(const Node& parent, const std::string& name);
/// Names in `group`, sorted bytewise.
std::vector<std::string> children(const Node& group);
/// Throws IoError if anything written to the node's file so far did not reach it: HDF5 itself does not hear
/// of that.
void check_written(const Node& node);
/// Writes everything to disk and closes. Throws IoError.
void finish_file(Node& file);
/// Closes a file that is about to be deleted; what HDF5 still holds goes nowhere (hdf5_file_driver.hpp says
/// why).
void abandon_file(Node& file) noexcept;

// Attributes: scalars; strings are fixed-length UTF-8 padded with NUL
// ----------------------------------------------------------

void write_attribute(const Node& node, const char* name, std::uint32_t value);
void write_attribute(const Node& node, const char* name, float value);
void write_attribute(const Node& node, const char* name, const std::string& value);
bool has_attribute(const Node& node, const char* name);
std::uint32_t read_u32_attribute(const Node& node, const char* name);
float read_f32_attribute(const Node& node, const char* name);
std::string read_string_attribute(const Node& node, const char* name);

// Datasets: chunked, Fletcher32 on every chunk; one without elements is contiguous
// -----------------------------------------------

using Dims = std::vector<std::uint64_t>;

/// Rows of whole trailing dimensions, as equal as possible, at most kMaxChunkBytes. `dims` has no zero.
Dims chunk_dims(const Dims& dims, std::size_t element_bytes);
/// Creates and writes in one go; row-major data. Returns the dataset, for attributes.
Node write_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims,
                   std::span<const std::byte> data);
/// The same in steps: a dataset without its data, then rows (entries of the first axis) from `first` on.
Node create_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims);
void write_rows(const Node& dataset, Element element, const Dims& dims, std::uint64_t first,
                std::span<const std::byte> data);

struct DatasetInfo {
  Element element = Element::u8;
  Dims dims;
};

/// Opens a dataset and checks what does not depend on its meaning: a hard link, one of our element types,
/// stored in this file (not virtual, not external), chunked with Fletcher32 and no other filter, every chunk
/// present.
Node open_dataset(const Node& parent, const std::string& name, DatasetInfo& info);
/// open_dataset, and FormatError unless type, rank and size are the expected ones.
Node open_dataset(const Node& parent, const std::string& name, Element element, const Dims& dims);
/// All elements. FormatError when a checksum does not match.
void read_all(const Node& dataset, Element element, std::span<std::byte> out);

// Shared by the files of this wrapper
// ------------------------------------------------------------------------------------------

/// The error stack of the last failed call as one line: its innermost reason, with the system's own words
/// where it has them.
std::string last_error();
/// Switches HDF5's own printing off for this thread.
void silence();

/// function(args...) with a negative result turned into E: "<where>: <what>: <reason>".
template <class E, class F, class... Args>
auto call(const std::string& where, const char* what, F* function, Args... args) {
  silence();
  const auto result = function(args...);
  if (result < 0) throw E(where + ": " + what + ": " + last_error());
  return result;
}

/// `name` in `parent`, not opened yet.
Node child_of(const Node& parent, const std::string& name);
/// open_group for datasets, before anything else is checked.
Node open_dataset_link(const Node& parent, const std::string& name);

/// The file type of `element`; the memory type too, since host and file are little-endian.
Handle type_of(Element element);

}  // namespace apiq::hdf5
