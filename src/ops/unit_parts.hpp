// What the launchers of products on matrix units share: the tiling of c and how results are written.
#pragma once
#include <string>
#include <string_view>

#include "ops/checks.hpp"
#include "runtime/matrix_unit.hpp"
#include "runtime/queue.hpp"
#include "shared/types.h"

#include "shared/unit_args.h"  // needs types.h before it

namespace apiq::ops {

/// One operand of a dense product. by_k: k runs along the last axis of the tensor, else its lines (rows of A
/// or columns of B) do; neighbouring rows of the tensor are `stride` elements apart.
struct UnitOperand {
  runtime::TensorView view;
  bool by_k;
  std::uint64_t stride;
};

/// c [M, N] = alpha * A B + beta * c over K steps; c says M and N, and shapes are the caller's business. `op`
/// starts the texts of errors.
void unit_product(runtime::Queue& queue, const runtime::UnitMode& mode, std::string_view op,
                  const UnitOperand& a, const UnitOperand& b, std::uint64_t K, const runtime::TensorView& c,
                  float alpha, float beta);

/// One product's program, settings and launch. A work-group computes one tile of c.
struct UnitPlan {
  std::string program;
  runtime::Macros tunables;
  std::uint64_t row_tiles, column_tiles;
  runtime::Range range;
};

/// Throws Unsupported if there is no such program for the unit.
UnitPlan unit_plan(runtime::Queue& queue, std::string_view family, const runtime::UnitMode& mode,
                   std::uint64_t M, std::uint64_t N);

/// c as a kernel's destination. Throws Unsupported past 2^32 elements.
UnitOutput unit_output(std::string_view op, const runtime::TensorView& c, float alpha, float beta);

}  // namespace apiq::ops
