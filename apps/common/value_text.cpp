#include "common/value_text.hpp"

#include "apiq/result.hpp"

namespace apiq::apps {

std::uint64_t parse_bytes(const std::string& text) { return parse_size(text); }

double parse_seconds(const std::string& text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string unit = text.substr(digits);
  const double scale = unit.empty() || unit == "s" ? 1 : unit == "min" ? 60 : unit == "h" ? 3600 : 0;
  if (scale == 0 || digits == 0)
    throw UsageError("expected a time such as 90s, 10min or 1h, found '" + text + "'");
  return parse_number<double>(text.substr(0, digits)) * scale;
}

std::vector<std::string> split_names(const std::string& text) {
  std::vector<std::string> out;
  for (std::size_t begin = 0; begin <= text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    if (end == begin) throw UsageError("expected names with commas between, found '" + text + "'");
    out.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return out;
}

std::string alternatives(const std::vector<std::string>& names, const std::string& last) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i)
    out += (i == 0 ? "" : i + 1 == names.size() ? last : ", ") + names[i];
  return out;
}

}  // namespace apiq::apps
