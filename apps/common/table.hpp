// Plain text tables on standard output.
#pragma once
#include <string>
#include <vector>

namespace apiq::apps {

class Table {
 public:
  explicit Table(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  Table& row(std::vector<std::string> cells) {
    rows_.push_back(std::move(cells));
    return *this;
  }
  /// Columns as wide as their widest cell; columns of numbers are right-aligned.
  void print() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

/// Label and value, one pair a line.
void print_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);

/// printf's %.*g and %.*f.
std::string significant(double value, int digits = 4);
std::string decimals(double value, int digits);

}  // namespace apiq::apps
