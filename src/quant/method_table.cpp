#include "quant/methods/apiq_bw.hpp"
#include "quant/methods/apiq_lw.hpp"
#include "quant/methods/rtn.hpp"

#include <string>

#include "apiq/error.hpp"

namespace apiq::quant {

LinearResult Method::quantize_linear(const LinearProblem& problem) {
  throw Unsupported("[method] " + problem.name + ": this method solves whole blocks, not single linears");
}

BlockResult Method::quantize_block(const BlockProblem& problem) {
  throw Unsupported("[method] " + problem.name + ": this method solves single linears, not blocks");
}

const std::vector<MethodRow>& method_table() {
  static const std::vector<MethodRow> rows = {
      {"apiq-bw",
       "ApiQ block by block: learned clipping and LoRA of a whole decoder block against its full-precision "
       "output",
       [] { return std::unique_ptr<Method>(std::make_unique<ApiqBw>()); }},
      {"apiq-lw",
       "ApiQ layer by layer: learned clipping and LoRA against each linear's full-precision output",
       [] { return std::unique_ptr<Method>(std::make_unique<ApiqLw>()); }},
      {"rtn", "round to nearest on each group's min-max grid, no calibration, no LoRA",
       [] { return std::unique_ptr<Method>(std::make_unique<Rtn>()); }},
  };
  return rows;
}

const MethodRow& find_method(std::string_view name) {
  std::string known;
  for (const auto& row : method_table()) {
    if (row.name == name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw InvalidArgument("[method] there is no method '" + std::string(name) + "'; there are: " + known);
}

}  // namespace apiq::quant
