#include "util/json.hpp"

#include <unordered_set>
#include <vector>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq {

nlohmann::json parse_json(std::string_view text, const std::string& where, std::size_t limit_bytes) {
  using nlohmann::json;
  static constexpr int kMaxDepth = 64;
  if (text.size() > limit_bytes)
    throw FormatError(where + ": expected at most " + size_text(limit_bytes) + " of JSON, found " + size_text(text.size()));

  // The library keeps the last of two equal keys without a word; a reader that keeps the first would see another file.
  std::vector<std::unordered_set<std::string>> keys;
  const auto watch = [&](int depth, json::parse_event_t event, json& value) {
    if (depth > kMaxDepth) throw FormatError(where + ": expected JSON nested at most " + std::to_string(kMaxDepth) + " deep, found more");
    if (event == json::parse_event_t::object_start) keys.emplace_back();
    if (event == json::parse_event_t::object_end) keys.pop_back();
    if (event == json::parse_event_t::key && !keys.back().insert(value.get_ref<const std::string&>()).second)
      throw FormatError(where + ": key '" + excerpt(value.get_ref<const std::string&>()) + "' occurs twice in one JSON object");
    return true;
  };
  try {
    return json::parse(text.begin(), text.end(), watch);
  } catch (const json::parse_error& error) {
    throw FormatError(where + ": not valid JSON at byte " + std::to_string(error.byte) + ": " + excerpt(error.what(), 160));
  } catch (const json::exception& error) {  // a number out of range
    throw FormatError(where + ": not valid JSON: " + excerpt(error.what(), 160));
  }
}

}  // namespace apiq
