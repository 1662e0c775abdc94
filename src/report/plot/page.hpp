// The parts of an HTML page: tables and the frame around them, with a style sheet inside and nothing fetched
// from anywhere.
#pragma once
#include <string>
#include <utility>
#include <vector>

namespace apiq::plot {

/// Label and value, one row each.
std::string pairs(const std::vector<std::pair<std::string, std::string>>& rows);

/// Cells are escaped. Columns from `first_number` on are right-aligned.
std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  std::size_t first_number);

/// The document; body is markup. It forbids itself scripts and the network, should any text ever slip through
/// as markup.
std::string page(const std::string& title, const std::string& body);

}  // namespace apiq::plot
