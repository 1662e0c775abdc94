#include "runtime/program_cache.hpp"

#include "util/atomic_file.hpp"
#include "util/sha256.hpp"

namespace apiq::runtime {

namespace {
constexpr std::size_t kDigestSize = 64;
}

std::optional<std::string> ProgramCache::load(const std::string& key) const {
  if (folder_.empty()) return std::nullopt;
  try {
    const auto path = folder_ / (key + ".bin");
    if (!std::filesystem::exists(path)) return std::nullopt;
    std::string text = read_file(path, std::uint64_t{1} << 28);
    if (text.size() <= kDigestSize ||
        sha256_of(std::string_view(text).substr(kDigestSize)) != text.substr(0, kDigestSize))
      return std::nullopt;
    return text.substr(kDigestSize);
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void ProgramCache::store(const std::string& key, const std::string& binary) const noexcept {
  if (folder_.empty()) return;
  try {
    std::filesystem::create_directories(folder_);
    write_file_atomically(folder_ / (key + ".bin"), sha256_of(binary) + binary);
  } catch (const std::exception&) {
    // A cache that cannot be written costs time at the next start, nothing else.
  }
}

}  // namespace apiq::runtime
