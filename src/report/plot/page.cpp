#include "report/plot/page.hpp"

#include "report/plot/markup.hpp"

namespace apiq::plot {

namespace {

constexpr const char* kStyle = R"(
body { margin: 2rem auto; max-width: 1480px; padding: 0 1.5rem; background: #ffffff; color: #222222;
       font: 15px/1.45 Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.6rem; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 0.5rem; }
table { border-collapse: collapse; font-size: 0.9rem; }
th, td { padding: 0.22rem 0.8rem 0.22rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #e4e4e4; overflow-wrap: anywhere; }
th { font-weight: 600; }
.pairs th { font-weight: normal; color: #5c5c5c; white-space: nowrap; }
.list th { border-bottom: 1px solid #888888; }
.list .n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; padding-left: 0.8rem; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: #f5f5f5; padding: 0.8rem 1rem; font-size: 0.85rem; }
.panels { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(560px, 100%), 1fr)); gap: 1rem; margin: 1.5rem 0; }
figure { margin: 0; }
figure svg { width: 100%; height: auto; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr)); gap: 0 3rem; }
@media print { body { margin: 0; } figure, tr { break-inside: avoid; } }
)";

std::string cell(const char* element, const std::string& text, bool is_number) {
  return std::string("<") + element + (is_number ? " class=\"n\">" : ">") + escape(text) + "</" + element +
         ">";
}

}  // namespace

std::string pairs(const std::vector<std::pair<std::string, std::string>>& rows) {
  if (rows.empty()) return "<p>none recorded</p>\n";
  std::string out = "<table class=\"pairs\">\n";
  for (const auto& [label, value] : rows)
    out += "<tr><th scope=\"row\">" + escape(label) + "</th><td>" + escape(value) + "</td></tr>\n";
  return out + "</table>\n";
}

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  std::size_t first_number) {
  std::string out = "<table class=\"list\">\n<thead><tr>";
  for (std::size_t c = 0; c < header.size(); ++c) out += cell("th", header[c], c >= first_number);
  out += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    out += "<tr>";
    for (std::size_t c = 0; c < row.size(); ++c) out += cell("td", row[c], c >= first_number);
    out += "</tr>\n";
  }
  return out + "</tbody>\n</table>\n";
}

std::string page(const std::string& title, const std::string& body) {
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
         "'unsafe-inline'\"/>\n"
         "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n<title>" +
         escape(title) + "</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n" + body +
         "</body>\n</html>\n";
}

}  // namespace apiq::plot
