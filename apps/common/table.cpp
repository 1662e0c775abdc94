#include "common/table.hpp"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstdio>

namespace apiq::apps {

namespace {

std::string formatted(const char* format, int digits, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, digits, value);
  return text;
}

bool looks_numeric(const std::string& cell) {
  return !cell.empty() && (std::isdigit(static_cast<unsigned char>(cell[0])) || cell[0] == '-');
}

}  // namespace

std::string significant(double value, int digits) {
  if (std::isnan(value)) return "-";  // not measured
  return formatted("%.*g", digits, value);
}
std::string decimals(double value, int digits) { return formatted("%.*f", digits, value); }

void Table::print() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> widths(columns, 0);
  std::vector<bool> numeric(columns, rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      widths[c] = std::max(widths[c], rows_[r][c].size());
      if (r > 0 && !looks_numeric(rows_[r][c])) numeric[c] = false;
    }
  }
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    std::string line;
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string padding(widths[c] - rows_[r][c].size(), ' ');
      line += (c ? "  " : "") + (numeric[c] ? padding + rows_[r][c] : rows_[r][c] + padding);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
    if (r == 0) {
      std::size_t total = 2 * (columns - 1);
      for (const std::size_t width : widths) total += width;
      std::printf("%s\n", std::string(total, '-').c_str());
    }
  }
}

void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs) {
  std::size_t width = 0;
  for (const auto& [label, value] : pairs) width = std::max(width, label.size());
  for (const auto& [label, value] : pairs)
    std::printf("%s%s  %s\n", label.c_str(), std::string(width - label.size(), ' ').c_str(), value.c_str());
}

}  // namespace apiq::apps
