#include "report/plot/plot_data.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>

#include "apiq/error.hpp"

namespace apiq::plot {

namespace {

std::vector<std::string> kinds_in(const std::vector<BlockReport>& blocks) {
  std::vector<std::string> out;
  std::set<std::string> known;
  for (const BlockReport& block : blocks)
    for (const LinearReport& linear : block.linears)
      if (known.insert(kind_of(linear.name)).second) out.push_back(kind_of(linear.name));
  return out;
}

void fill_matrix(PlotData& data, const FileSummary& checkpoint) {
  const std::set<std::string> dense(checkpoint.dense_linears.begin(), checkpoint.dense_linears.end());
  std::map<std::string, std::size_t> row_of;
  for (std::size_t i = 0; i < data.kinds.size(); ++i) row_of[data.kinds[i]] = i;
  data.weight_error.assign(data.kinds.size(), std::vector<double>(data.blocks.size(), NAN));
  for (std::size_t b = 0; b < data.blocks.size(); ++b)
    for (const LinearReport& linear : data.blocks[b].linears)
      data.weight_error[row_of[kind_of(linear.name)]][b] =
          dense.contains(linear.name) ? kLeftAsItIs : linear.weight_error;
}

std::string settings_line(const FileSummary& checkpoint) {
  static const std::string kBetween = " \xc2\xb7 ";  // a middle dot: the values have commas
  const LinearSettingTexts texts = setting_texts(checkpoint);
  std::string out = checkpoint.method + kBetween + "bits " + texts.bits + kBetween + "group size " +
                    texts.group_size + kBetween + "LoRA rank " + texts.rank;
  if (!checkpoint.dense_linears.empty())
    out += kBetween + std::to_string(checkpoint.dense_linears.size()) + " linears left as they are";
  return out;
}

}  // namespace

std::string kind_of(const std::string& linear) { return linear.substr(linear.rfind('.') + 1); }

PlotData plot_data(const FileSummary& checkpoint, const RunRecord* run) {
  if (checkpoint.kind != "checkpoint")
    throw Unsupported(checkpoint.path + ": is a " + checkpoint.kind +
                      "; only a checkpoint .h5 of apiq-quantize has errors and losses to plot");
  PlotData data;
  data.title = std::filesystem::path(checkpoint.path).filename().string();
  data.subtitle = settings_line(checkpoint);
  data.blocks = block_reports(checkpoint);
  if (data.blocks.empty())
    throw Unsupported(checkpoint.path + ": holds no report of its blocks, so there is nothing to plot");
  std::stable_sort(data.blocks.begin(), data.blocks.end(),
                   [](const BlockReport& a, const BlockReport& b) { return a.index < b.index; });
  data.kinds = kinds_in(data.blocks);
  fill_matrix(data, checkpoint);
  data.record = run;
  data.run.assign(data.blocks.size(), nullptr);
  if (run == nullptr) return data;
  for (const BlockReport& block : run->blocks)
    for (std::size_t i = 0; i < data.blocks.size(); ++i)
      if (data.blocks[i].index == block.index) data.run[i] = &block;
  return data;
}

}  // namespace apiq::plot
