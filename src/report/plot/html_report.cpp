// apiq::html_report: one page that is also well-formed XML, so that a simple parser can check it.
#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>

#include "apiq/plot.hpp"
#include "report/plot/markup.hpp"
#include "report/plot/page.hpp"
#include "report/plot/panels.hpp"
#include "util/text.hpp"

namespace apiq {

namespace {

using namespace plot;
using Rows = std::vector<std::pair<std::string, std::string>>;

Rows summary_rows(const FileSummary& s, const RunRecord* run) {
  const LinearSettingTexts texts = setting_texts(s);
  Rows out = {
      {"method", s.method},
      {"bits", texts.bits},
      {"group size", texts.group_size},
      {"grid", texts.grid},
      {"LoRA rank", texts.rank},
      {"bits per weight",
       number(s.bits_per_weight) +
           (s.adapter_bits_per_weight > 0 ? " + " + number(s.adapter_bits_per_weight) + " LoRA" : "")},
      {"linears",
       std::to_string(s.linears.size()) + " quantized" +
           (s.dense_linears.empty() ? ""
                                    : ", " + std::to_string(s.dense_linears.size()) + " left as they are")},
      {"file size", size_text(s.total_bytes)}};
  if (run == nullptr) return out;
  out.emplace_back("time", fixed(run->seconds, run->seconds < 100 ? 1 : 0) + " s");
  out.emplace_back("peak memory", "device " + size_text(run->peak_device_bytes) + ", host " +
                                      size_text(run->peak_host_bytes));
  return out;
}

std::string panels(const PlotData& data) {
  static constexpr std::array<std::pair<void (*)(Svg&, const Box&, const PlotData&), const char*>, 4>
      kPanels = {{{draw_output_error, "Relative output error of each block"},
                  {draw_weight_error, "Weight error of each linear"},
                  {draw_losses, "Loss while training, by block"},
                  {draw_time_and_memory, "Time and memory of each block"}}};
  std::string out = "<div class=\"panels\">\n";
  for (const auto& [draw, label] : kPanels) {
    Svg svg;
    draw(svg, {0, 0, kPanelWidth, kPanelHeight}, data);
    out += "<figure>" + svg.document(kPanelWidth, kPanelHeight, label, /*prolog=*/false) + "</figure>\n";
  }
  return out + "</div>\n";
}

std::string block_table(const PlotData& data) {
  std::vector<std::vector<std::string>> rows;
  for (std::size_t i = 0; i < data.blocks.size(); ++i) {
    const BlockReport& b = data.blocks[i];
    const BlockReport* run = data.run[i];
    rows.push_back({std::to_string(b.index), number(b.loss_first), number(b.loss_last),
                    std::to_string(b.losses.size()), number(b.relative_error),
                    std::to_string(b.skipped_steps),
                    run == nullptr ? "-"
                    : run->resumed ? "earlier run"
                                   : number(run->seconds, 3)});
  }
  return table({"block", "first loss", "last loss", "epochs", "relative error", "skipped steps", "seconds"},
               rows, 1);
}

/// "128 x 256" of "[128, 256]".
std::string shape_text(const std::string& shape) {
  std::string out;
  for (const char c : shape) {
    if (c == ',') out += " x";
    else if (c != '[' && c != ']') out += c;
  }
  return out;
}

/// Quantized and left-alone linears in the order of the model.
std::string linear_table(const FileSummary& s, const PlotData& data) {
  std::map<std::string, double> errors;
  for (const BlockReport& block : data.blocks)
    for (const LinearReport& linear : block.linears) errors[linear.name] = linear.weight_error;
  std::map<std::string, std::vector<std::string>> rows;
  for (const LinearSummary& l : s.linears) {
    const auto error = errors.find(l.name);
    rows[l.name] = {l.name,
                    std::to_string(l.out_features) + " x " + std::to_string(l.in_features),
                    std::to_string(l.bits),
                    l.group_size == l.in_features ? "row" : std::to_string(l.group_size),
                    l.rank ? std::to_string(l.rank) : "none",
                    size_text(l.bytes),
                    l.rank ? size_text(l.adapter_bytes) : "none",
                    error == errors.end() ? "-" : number(error->second)};
  }
  for (const std::string& name : s.dense_linears) {
    const auto tensor = std::find_if(s.tensors.begin(), s.tensors.end(),
                                     [&](const TensorSummary& t) { return t.name == name + ".weight"; });
    const bool known = tensor != s.tensors.end();
    rows[name] = {name,
                  known ? shape_text(tensor->shape) : "-",
                  known ? tensor->dtype : "-",
                  "-",
                  "none",
                  known ? size_text(tensor->bytes) : "-",
                  "none",
                  "left as it is"};
  }
  std::vector<std::vector<std::string>> ordered;
  for (const std::string& name : s.linear_names) ordered.push_back(rows.at(name));
  return table({"linear", "shape", "bits", "group", "rank", "size", "LoRA", "weight error"}, ordered, 1);
}

/// The command has a place of its own.
Rows provenance_rows(const FileSummary& s, std::string& command) {
  Rows rows = setting_rows(s.provenance_json);
  const auto it =
      std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.first == "command"; });
  if (it == rows.end()) return rows;
  command = it->second;
  rows.erase(it);
  return rows;
}

}  // namespace

std::string html_report(const FileSummary& s, const RunRecord* run) {
  const PlotData data = plot_data(s, run);
  std::string command;
  const Rows provenance = provenance_rows(s, command);
  const std::string title = data.title + ": how it was quantized";
  std::string body = "<h1>" + escape(data.title) + "</h1>\n" + pairs(summary_rows(s, run)) + panels(data);
  if (!command.empty()) body += "<h2>Command</h2>\n<pre>" + escape(command) + "</pre>\n";
  body += "<div class=\"columns\">\n<section><h2>Settings</h2>\n" + pairs(setting_rows(s.options_json)) +
          "</section>\n";
  body += "<section><h2>Provenance</h2>\n" + pairs(provenance) + "</section>\n</div>\n";
  body += "<h2>Blocks</h2>\n" + block_table(data) + "<h2>Linears</h2>\n" + linear_table(s, data);
  return page(title, body);
}

}  // namespace apiq
