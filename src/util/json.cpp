#include "util/json.hpp"

#include <vector>

#include "apiq/error.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

using nlohmann::json;

/// Builds the value from the parser's events. The library's own builder keeps the last of two equal keys
/// without a word (a reader that keeps the first would see another file), and its callback variant takes
/// quadratic time on objects with many members.
class StrictBuilder : public nlohmann::json_sax<json> {
 public:
  explicit StrictBuilder(const std::string& where) : where_(where) {}
  json take() { return std::move(root_); }

  bool null() override { return add(nullptr); }
  bool boolean(bool value) override { return add(value); }
  bool number_integer(number_integer_t value) override { return add(value); }
  bool number_unsigned(number_unsigned_t value) override { return add(value); }
  bool number_float(number_float_t value, const string_t&) override { return add(value); }
  bool string(string_t& value) override { return add(std::move(value)); }
  bool binary(binary_t&) override { return false; }  // not in JSON text
  bool start_object(std::size_t) override { return open(json::object()); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(json::array()); }
  bool end_array() override { return close(); }

  bool key(string_t& name) override {
    const auto [at, added] = open_.back()->get_ref<json::object_t&>().try_emplace(name);
    if (!added) throw FormatError(where_ + ": key '" + excerpt(name) + "' occurs twice in one JSON object");
    member_ = &at->second;
    return true;
  }

  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception& error) override {
    throw FormatError(where_ + ": not valid JSON at byte " + std::to_string(position) + ": " +
                      excerpt(error.what(), 160));
  }

 private:
  /// Puts a value where the last event said: root, array end or the member just named.
  template <typename T>
  bool add(T&& value) {
    place() = std::forward<T>(value);
    return true;
  }
  json& place() {
    if (open_.empty()) return root_;
    if (open_.back()->is_object()) return *member_;
    return open_.back()->get_ref<json::array_t&>().emplace_back();
  }
  bool open(json container) {
    static constexpr std::size_t kMaxDepth = 64;
    if (open_.size() == kMaxDepth)
      throw FormatError(where_ + ": expected JSON nested at most " + std::to_string(kMaxDepth) +
                        " deep, found more");
    json& at = place();
    at = std::move(container);
    open_.push_back(&at);
    return true;
  }
  bool close() {
    open_.pop_back();
    return true;
  }

  const std::string& where_;
  json root_;
  std::vector<json*> open_;  // containers around the next value; an array grows only after its last element
                             // is closed, so these stay valid
  json* member_ = nullptr;
};

}  // namespace

nlohmann::json parse_json(std::string_view text, const std::string& where, std::size_t limit_bytes) {
  if (text.size() > limit_bytes)
    throw FormatError(where + ": expected at most " + size_text(limit_bytes) + " of JSON, found " +
                      size_text(text.size()));
  StrictBuilder builder(where);
  json::sax_parse(text.begin(), text.end(), &builder);  // every failure throws
  return builder.take();
}

}  // namespace apiq
