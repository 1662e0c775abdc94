// The interface of a quantization method. Needs are declared as traits, so the scheduler never asks a
// method's name.
#pragma once
#include <memory>
#include <string_view>
#include <vector>

#include "quant/block_problem.hpp"

namespace apiq::quant {

/// What a method solves at a time.
enum class Scope { linear, block };

struct MethodTraits {
  Scope scope = Scope::linear;
  bool needs_inputs = false;  // calibration samples: input() and target() of the problem
  bool uses_lora = false;     // false: rank is taken as 0
  TrainOptions defaults;      // of options the user left open
};

class Method {
 public:
  virtual ~Method() = default;
  virtual MethodTraits traits() const = 0;
  /// The one of the method's scope; the other throws Unsupported.
  virtual LinearResult quantize_linear(const LinearProblem& problem);
  virtual BlockResult quantize_block(const BlockProblem& problem);
};

struct MethodRow {
  std::string_view name, summary;
  std::unique_ptr<Method> (*make)();
};

/// Every method, in the order --list-methods prints.
const std::vector<MethodRow>& method_table();

/// Throws InvalidArgument naming what there is.
const MethodRow& find_method(std::string_view name);

}  // namespace apiq::quant
