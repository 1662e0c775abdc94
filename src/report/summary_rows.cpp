// What apiq-inspect and its page show of a summary besides the raw texts: blocks, settings as rows, mixed
// settings in words.
#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <string_view>

#include "apiq/error.hpp"
#include "apiq/inspect.hpp"
#include "report/block_json.hpp"
#include "report/plot/markup.hpp"
#include "util/json.hpp"

namespace apiq {

using nlohmann::json;

namespace {

/// Options are single-precision: 0.005 was stored as 0.004999999888241291.
std::string scalar_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_number_float()) return value.is_null() ? "-" : value.dump();
  return plot::number(value.get<double>(), 6);
}

void add_rows(const std::string& name, const json& value,
              std::vector<std::pair<std::string, std::string>>& out) {
  if (value.is_object()) {
    for (const auto& [key, inner] : value.items())
      add_rows(name.empty() ? key : name + "." + key, inner, out);
    return;
  }
  if (!value.is_array()) {
    const bool whole_rows = name == "group_size" && value == 0;
    out.emplace_back(name, whole_rows ? "row" : scalar_text(value));
    return;
  }
  std::string list;
  for (const json& item : value)
    list += (list.empty() ? "" : ", ") + (item.is_structured() ? item.dump() : scalar_text(item));
  out.emplace_back(name, list);
}

template <class Text>
std::string frequent_first(const std::vector<LinearSummary>& linears, Text text) {
  std::map<std::string, std::size_t> counts;
  for (const LinearSummary& linear : linears) ++counts[text(linear)];
  std::vector<std::pair<std::string, std::size_t>> order(counts.begin(), counts.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  if (order.size() == 1) return order.front().first;
  std::string out;
  for (const auto& [value, count] : order) {
    out +=
        (out.empty() ? "" : ", ") + value + " (" + std::to_string(count) + (out.empty() ? " linears)" : ")");
  }
  return out;
}

}  // namespace

std::vector<BlockReport> block_reports(const FileSummary& summary) {
  std::vector<BlockReport> out;
  if (summary.report_json.empty()) return out;
  try {
    const json report = parse_json(summary.report_json, summary.path + ": /report", std::size_t{256} << 20);
    for (const json& block : report.at("blocks")) out.push_back(block_from_json(block));
  } catch (const json::exception& error) {
    throw FormatError(summary.path + ": /report: " + error.what());
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> setting_rows(const std::string& json_text) {
  std::vector<std::pair<std::string, std::string>> out;
  if (!json_text.empty()) add_rows("", parse_json(json_text, "settings"), out);
  return out;
}

LinearSettingTexts setting_texts(const FileSummary& summary) {
  const std::vector<LinearSummary>& linears = summary.linears;
  return {frequent_first(linears, [](const LinearSummary& l) { return std::to_string(l.bits); }),
          frequent_first(linears,
                         [](const LinearSummary& l) {
                           return l.group_size == l.in_features ? "row" : std::to_string(l.group_size);
                         }),
          frequent_first(linears,
                         [](const LinearSummary& l) { return l.rank ? std::to_string(l.rank) : "none"; }),
          frequent_first(linears, [](const LinearSummary& l) {
            return std::string(l.symmetric ? "symmetric" : "asymmetric");
          })};
}

}  // namespace apiq
