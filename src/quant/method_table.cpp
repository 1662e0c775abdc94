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

namespace {

/// A method is made of its own options, if it has any.
template <class M, class Own>
std::unique_ptr<Method> made(const MethodOptions& options) {
  if constexpr (std::is_constructible_v<M, const Own&>) return std::make_unique<M>(std::get<Own>(options));
  else return std::make_unique<M>();
}

}  // namespace

const std::vector<MethodRow>& method_table() {
  static const std::vector<MethodRow> rows = {
      {ApiqBwOptions::kName,
       "ApiQ block by block: learned clipping and LoRA of a whole decoder block against its full-precision "
       "output",
       ApiqBwOptions{}, made<ApiqBw, ApiqBwOptions>},
      {ApiqLwOptions::kName,
       "ApiQ layer by layer: learned clipping and LoRA against each linear's full-precision output",
       ApiqLwOptions{}, made<ApiqLw, ApiqLwOptions>},
      {RtnOptions::kName, "round to nearest on each group's min-max grid, no calibration, no LoRA",
       RtnOptions{}, made<Rtn, RtnOptions>},
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

std::unique_ptr<Method> make_method(const MethodOptions& options) {
  return find_method(name_of(options)).make(options);
}

}  // namespace apiq::quant

namespace apiq {

MethodOptions method_options(std::string_view name) { return quant::find_method(name).defaults; }

}  // namespace apiq
