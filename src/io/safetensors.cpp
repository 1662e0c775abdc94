#include "io/safetensors.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <numeric>
#include <optional>

#include "apiq/error.hpp"
#include "util/json.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

using nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the reference reader's limit
constexpr std::size_t kMaxNameBytes = 1024;

struct StoredType {
  std::string_view name;
  unsigned bits;
  std::optional<DType> dtype;  // none: a type of the format that this program does not read
};

constexpr std::array kStoredTypes = {
    StoredType{"F32", 32, DType::f32},          StoredType{"F16", 16, DType::f16},
    StoredType{"BF16", 16, DType::bf16},        StoredType{"F64", 64, DType::f64},
    StoredType{"I32", 32, DType::i32},          StoredType{"I64", 64, DType::i64},
    StoredType{"U32", 32, DType::u32},          StoredType{"U8", 8, DType::u8},
    StoredType{"BOOL", 8, std::nullopt},        StoredType{"I8", 8, std::nullopt},
    StoredType{"I16", 16, std::nullopt},        StoredType{"U16", 16, std::nullopt},
    StoredType{"U64", 64, std::nullopt},        StoredType{"C64", 64, std::nullopt},
    StoredType{"F8_E4M3", 8, std::nullopt},     StoredType{"F8_E5M2", 8, std::nullopt},
    StoredType{"F8_E8M0", 8, std::nullopt},     StoredType{"F8_E4M3FNUZ", 8, std::nullopt},
    StoredType{"F8_E5M2FNUZ", 8, std::nullopt}, StoredType{"F6_E2M3", 6, std::nullopt},
    StoredType{"F6_E3M2", 6, std::nullopt},     StoredType{"F4", 4, std::nullopt},
};

/// A tensor entry of the header; offsets count from the end of the header.
struct Entry {
  TensorInfo info;
  std::uint64_t begin = 0, end = 0;
};

/// a * b, or nothing if it does not fit.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  if (a != 0 && b > std::numeric_limits<std::uint64_t>::max() / a) return std::nullopt;
  return a * b;
}

/// Reads one tensor's entry; `where` is "path: tensor 'name'".
class EntryReader {
 public:
  EntryReader(const std::string& where, const json& value) : where_(where), value_(value) {}

  Entry read(const std::string& name) const {
    if (!value_.is_object()) fail("expected an object with dtype, shape and data_offsets");
    for (const auto& [key, ignored] : value_.items())
      if (key != "dtype" && key != "shape" && key != "data_offsets")
        fail("unknown key '" + excerpt(key) + "'");
    Entry entry;
    entry.info.name = name;
    const StoredType& type = stored_type();
    const std::uint64_t elements = read_shape(entry.info.shape);
    read_offsets(entry);
    const auto bits = product(elements, type.bits);
    if (!bits) fail("shape " + entry.info.shape.text() + " is too large for any file");
    if (*bits % 8 != 0 || entry.end - entry.begin != *bits / 8)
      fail("expected " + std::to_string(*bits / 8) + " bytes for " + std::string(type.name) + " " +
           entry.info.shape.text() + ", found data_offsets of " + std::to_string(entry.end - entry.begin) +
           " bytes");
    if (!type.dtype)
      throw Unsupported(where_ + ": element type " + std::string(type.name) +
                        " is not read by this program; convert it to F32, F16 or BF16");
    entry.info.dtype = *type.dtype;
    return entry;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FormatError(where_ + ": " + what); }

  const json& member(const char* key) const {
    const auto found = value_.find(key);
    if (found == value_.end()) fail(std::string("key '") + key + "' is missing");
    return *found;
  }

  const StoredType& stored_type() const {
    const json& name = member("dtype");
    if (!name.is_string()) fail("expected dtype as a string");
    const auto& text = name.get_ref<const std::string&>();
    const auto found = std::find_if(kStoredTypes.begin(), kStoredTypes.end(),
                                    [&](const StoredType& type) { return type.name == text; });
    if (found == kStoredTypes.end()) fail("unknown dtype '" + excerpt(text) + "'");
    return *found;
  }

  std::uint64_t read_shape(Shape& shape) const {
    const json& dims = member("shape");
    const auto whole = [](const json& d) { return d.is_number_unsigned(); };
    if (!dims.is_array() || !std::all_of(dims.begin(), dims.end(), whole))
      fail("expected shape as an array of non-negative integers");
    if (dims.size() > Shape::kMaxRank)
      throw Unsupported(where_ + ": " + std::to_string(dims.size()) + " dimensions; at most 4 are supported");
    std::array<std::uint64_t, Shape::kMaxRank> d{};
    for (std::size_t i = 0; i < dims.size(); ++i) d[i] = dims[i].get<std::uint64_t>();
    const std::array<Shape, Shape::kMaxRank + 1> by_rank = {
        Shape{}, Shape{d[0]}, Shape{d[0], d[1]}, Shape{d[0], d[1], d[2]}, Shape{d[0], d[1], d[2], d[3]}};
    shape = by_rank[dims.size()];
    std::optional<std::uint64_t> elements = 1;
    for (std::size_t i = 0; i < dims.size() && elements; ++i) elements = product(*elements, d[i]);
    if (!elements) fail("shape " + shape.text() + " is too large for any file");
    return *elements;
  }

  void read_offsets(Entry& entry) const {
    const json& offsets = member("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned())
      fail("expected data_offsets as two non-negative integers");
    entry.begin = offsets[0].get<std::uint64_t>();
    entry.end = offsets[1].get<std::uint64_t>();
    if (entry.end < entry.begin) fail("data_offsets end before they begin");
  }

  const std::string& where_;
  const json& value_;
};

std::string tensor_text(const std::string& where, std::string_view name) {
  return where + ": tensor '" + excerpt(name) + "'";
}

/// The header text, after the checks that need no JSON.
std::string_view header_text(const std::string& where, std::span<const std::byte> file) {
  if (file.size() < 8)
    throw FormatError(where + ": expected a safetensors file, found " + std::to_string(file.size()) +
                      " bytes; the download is incomplete, fetch it again");
  std::uint64_t size = 0;
  for (int i = 7; i >= 0; --i)
    size = size << 8 | std::to_integer<std::uint64_t>(file[static_cast<std::size_t>(i)]);
  if (size > kMaxHeaderBytes)
    throw FormatError(where + ": header size " + std::to_string(size) + " is over the format's limit of " +
                      std::to_string(kMaxHeaderBytes) + "; this is not a safetensors file");
  if (size > file.size() - 8)
    throw FormatError(where + ": header of " + std::to_string(size) + " bytes does not fit the file of " +
                      std::to_string(file.size()) + " bytes; the download is incomplete, fetch it again");
  return {reinterpret_cast<const char*>(file.data()) + 8, size};
}

std::map<std::string, std::string> read_metadata(const std::string& where, const json& value) {
  std::map<std::string, std::string> out;
  if (!value.is_object()) throw FormatError(where + ": expected __metadata__ as an object of strings");
  for (const auto& [key, text] : value.items()) {
    if (!text.is_string())
      throw FormatError(where + ": __metadata__ key '" + excerpt(key) + "': expected a string, found " +
                        text.type_name());
    out[key] = text.get<std::string>();
  }
  return out;
}

/// Tensors must fill the data exactly: overlaps would let a small file ask for any amount of memory, holes
/// could hide other content.
void check_tiling(const std::string& where, std::vector<Entry>& entries, std::uint64_t data_bytes) {
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.begin, a.end) < std::tie(b.begin, b.end);
  });
  std::uint64_t expected = 0;
  for (const Entry& entry : entries) {
    if (entry.begin != expected)
      throw FormatError(tensor_text(where, entry.info.name) + ": data_offsets begin at " +
                        std::to_string(entry.begin) + ", expected " + std::to_string(expected) +
                        ": tensors must follow each other without holes or overlaps");
    expected = entry.end;
  }
  if (data_bytes < expected)
    throw FormatError(where + ": expected " + std::to_string(expected) + " bytes of tensors, found " +
                      std::to_string(data_bytes) + "; the download is incomplete, fetch it again");
  if (data_bytes > expected)
    throw FormatError(where + ": " + std::to_string(data_bytes - expected) +
                      " bytes after the last tensor belong to nothing");
}

const TensorInfo* find_info(const std::vector<TensorInfo>& infos, std::string_view name) {
  const auto found =
      std::lower_bound(infos.begin(), infos.end(), name,
                       [](const TensorInfo& info, std::string_view n) { return info.name < n; });
  return found != infos.end() && found->name == name ? &*found : nullptr;
}

}  // namespace

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path) : file_(path) {
  const std::string where = path.string();
  const std::string_view header = header_text(where, file_.bytes());
  const json root = parse_json(header, where, kMaxHeaderBytes);
  if (!root.is_object())
    throw FormatError(where + ": expected the header to be a JSON object, found " + root.type_name());

  std::vector<Entry> entries;
  for (const auto& [name, value] : root.items()) {
    if (name == "__metadata__") {
      metadata_ = read_metadata(where, value);
      continue;
    }
    const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
    if (name.empty() || name.size() > kMaxNameBytes || std::any_of(name.begin(), name.end(), control))
      throw FormatError(tensor_text(where, name) + ": names must have 1 to " + std::to_string(kMaxNameBytes) +
                        " bytes and no control characters");
    entries.push_back(EntryReader(tensor_text(where, name), value).read(name));
  }
  const std::span<const std::byte> data = file_.bytes().subspan(8 + header.size());
  check_tiling(where, entries, data.size());

  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.info.name < b.info.name; });
  for (Entry& entry : entries) {
    spans_.push_back(data.subspan(entry.begin, entry.end - entry.begin));
    infos_.push_back(std::move(entry.info));
  }
}

const TensorInfo* SafetensorsFile::find(std::string_view name) const { return find_info(infos_, name); }

std::span<const std::byte> SafetensorsFile::bytes(std::string_view name) const {
  const TensorInfo* info = find(name);
  if (info == nullptr) throw FormatError(tensor_text(path().string(), name) + " is not in this file");
  return spans_[static_cast<std::size_t>(info - infos_.data())];
}

void SafetensorsFile::read(std::string_view name, std::uint64_t offset, std::span<std::byte> out) const {
  const auto stored = bytes(name);
  if (offset > stored.size() || out.size() > stored.size() - offset)
    throw FormatError(tensor_text(path().string(), name) + ": expected a range within its " +
                      std::to_string(stored.size()) + " bytes, found " + std::to_string(out.size()) +
                      " bytes from " + std::to_string(offset));
  file_.read(static_cast<std::uint64_t>(stored.data() - file_.bytes().data()) + offset, out);
}

std::string SafetensorsFile::sha256(const Visit& visit) const {
  // Tensors follow each other without holes (check_tiling), behind the header.
  std::vector<std::size_t> order(infos_.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::pair(spans_[a].data(), spans_[a].size()) < std::pair(spans_[b].data(), spans_[b].size());
  });
  std::uint64_t tensor_bytes = 0;
  for (const auto& span : spans_) tensor_bytes += span.size();
  std::vector<std::byte> header(file_.bytes().size() - tensor_bytes);
  file_.read(0, header);
  Sha256 hash;
  hash.update(header.data(), header.size());
  for (const std::size_t i : order)
    for_each_chunk(*this, infos_[i].name, kStreamChunkBytes,
                   [&](std::uint64_t offset, std::span<const std::byte> part) {
                     hash.update(part.data(), part.size());
                     visit(infos_[i], offset, part);
                   });
  return hash.hex();
}

void SafetensorsFile::release(std::string_view name) const { file_.release(bytes(name)); }

namespace {

/// weight_map of an index: tensor name -> shard file name, each a plain name in the index's folder.
std::map<std::string, std::string> read_weight_map(const std::filesystem::path& index) {
  const std::string where = index.string();
  const MappedFile file(index);
  const json root = parse_json({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()},
                               where, kMaxHeaderBytes);
  const auto map = root.is_object() ? root.find("weight_map") : root.end();
  if (map == root.end() || !map->is_object() || map->empty())
    throw FormatError(where + ": key 'weight_map': expected an object of tensor name to shard file name");
  std::map<std::string, std::string> out;
  for (const auto& [name, shard] : map->items()) {
    if (!shard.is_string())
      throw FormatError(where + ": weight_map of '" + excerpt(name) + "': expected a file name, found " +
                        shard.type_name());
    const auto& file_name = shard.get_ref<const std::string&>();
    // Anything but a plain name would let an index read files outside the model's folder.
    const bool plain = !file_name.empty() && file_name != "." && file_name != ".." &&
                       file_name.find_first_of(std::string_view("/\\\0", 3)) == std::string::npos;
    if (!plain)
      throw FormatError(where + ": weight_map of '" + excerpt(name) +
                        "': expected a file name without a folder, found '" + excerpt(file_name) + "'");
    out[name] = file_name;
  }
  return out;
}

}  // namespace

ShardedSafetensors::ShardedSafetensors(const std::filesystem::path& index) {
  const std::map<std::string, std::string> weight_map = read_weight_map(index);
  for (const auto& [name, file_name] : weight_map) {
    auto& shard = shards_[file_name];
    if (!shard) shard = std::make_unique<SafetensorsFile>(index.parent_path() / file_name);
  }
  std::vector<std::string> missing;
  for (const auto& [name, file_name] : weight_map) {
    const SafetensorsFile& shard = *shards_[file_name];
    if (shard.find(name) == nullptr) missing.push_back(excerpt(name) + " (in " + file_name + ")");
    owner_[name] = &shard;
  }
  if (!missing.empty()) {
    const std::size_t count = missing.size();
    missing.resize(std::min<std::size_t>(count, 3));
    throw FormatError(index.string() + ": " + std::to_string(count) +
                      " tensors are not in the shard that weight_map names, first: " + join(missing, ", "));
  }
  // Tensors that the index does not list are kept as well: whoever knows the model decides whether they may
  // be there.
  for (const auto& [file_name, shard] : shards_)
    for (const TensorInfo& info : shard->tensors()) {
      const auto [at, added] = owner_.try_emplace(info.name, shard.get());
      if (!added && at->second != shard.get())
        throw FormatError(tensor_text(shard->path().string(), info.name) + " is also in " +
                          at->second->path().filename().string() + "; remove one of them");
    }
  for (const auto& [name, shard] : owner_) infos_.push_back(*shard->find(name));
}

const TensorInfo* ShardedSafetensors::find(std::string_view name) const { return find_info(infos_, name); }

const SafetensorsFile& ShardedSafetensors::owner(std::string_view name) const {
  const auto found = owner_.find(name);
  if (found == owner_.end())
    throw FormatError("[model] tensor '" + excerpt(name) + "' is in none of the shards");
  return *found->second;
}

std::span<const std::byte> ShardedSafetensors::bytes(std::string_view name) const {
  return owner(name).bytes(name);
}

void ShardedSafetensors::read(std::string_view name, std::uint64_t offset, std::span<std::byte> out) const {
  owner(name).read(name, offset, out);
}

void ShardedSafetensors::release(std::string_view name) const { owner(name).release(name); }

std::vector<const SafetensorsFile*> ShardedSafetensors::files() const {
  std::vector<const SafetensorsFile*> out;
  for (const auto& [name, shard] : shards_) out.push_back(shard.get());
  return out;
}

}  // namespace apiq
