// apiq::plot_svg: all panels on one sheet.
#include "apiq/plot.hpp"
#include "report/plot/panels.hpp"

namespace apiq {

std::string plot_svg(const FileSummary& checkpoint, const RunRecord* run) {
  using namespace plot;
  constexpr double kHeader = 64;
  const PlotData data = plot_data(checkpoint, run);
  Svg svg;
  svg.text(14, 30, data.title, {.size = 19, .bold = true});
  svg.text(14, 52, data.subtitle, {.size = 13, .fill = kPale});
  draw_output_error(svg, {0, kHeader, kPanelWidth, kPanelHeight}, data);
  draw_weight_error(svg, {kPanelWidth, kHeader, kPanelWidth, kPanelHeight}, data);
  draw_losses(svg, {0, kHeader + kPanelHeight, kPanelWidth, kPanelHeight}, data);
  draw_time_and_memory(svg, {kPanelWidth, kHeader + kPanelHeight, kPanelWidth, kPanelHeight}, data);
  return svg.document(2 * kPanelWidth, kHeader + 2 * kPanelHeight + 8, "How " + data.title + " was quantized",
                      /*prolog=*/true);
}

}  // namespace apiq
