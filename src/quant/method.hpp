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
  TrainOptions defaults;      // of options that user and recipe left open
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
  MethodOptions defaults;                                     // the alternative that chooses this method
  std::unique_ptr<Method> (*make)(const MethodOptions& own);  // of that alternative
};

/// Every method, in the order --list-methods prints.
const std::vector<MethodRow>& method_table();

/// Throws InvalidArgument naming what there is.
const MethodRow& find_method(std::string_view name);

/// The method that the options are for.
std::unique_ptr<Method> make_method(const MethodOptions& options);

}  // namespace apiq::quant
