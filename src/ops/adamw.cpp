#include "ops/adamw.hpp"

#include <cmath>
#include <type_traits>

#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/adamw_args.h"

namespace apiq::ops {

static_assert(sizeof(AdamwArgs) == 14 * 4 && std::is_trivially_copyable_v<AdamwArgs>);

void adamw_step(Queue& queue, const AdamwOptions& options, std::uint32_t step, const TensorView& loss,
                const TensorView& p, const TensorView& g, const TensorView& m, const TensorView& v) {
  if (step == 0) throw InvalidArgument("[adamw_step] step: counts from 1, got 0");
  constexpr std::string_view op = "adamw_step";
  const Shape& shape = p.shape;
  check_tensor(op, "p", p, DType::f32, shape);
  check_tensor(op, "g", g, DType::f32, shape);
  check_tensor(op, "m", m, DType::f32, shape);
  check_tensor(op, "v", v, DType::f32, shape);
  check_tensor(op, "loss", loss, DType::f32, {1});

  const double correction1 = 1.0 - std::pow(options.beta1, step),
               correction2 = 1.0 - std::pow(options.beta2, step);
  AdamwArgs args{};
  args.p = offset32(op, "p", p);
  args.g = offset32(op, "g", g);
  args.m = offset32(op, "m", m);
  args.v = offset32(op, "v", v);
  args.loss = offset32(op, "loss", loss);
  args.count = static_cast<std::uint32_t>(p.elements());
  args.decay = static_cast<float>(1.0 - options.learning_rate * options.weight_decay);
  args.beta1 = static_cast<float>(options.beta1);
  args.rest1 = static_cast<float>(1.0 - options.beta1);
  args.beta2 = static_cast<float>(options.beta2);
  args.rest2 = static_cast<float>(1.0 - options.beta2);
  args.step_size = static_cast<float>(options.learning_rate / correction1);
  args.root_correction = static_cast<float>(std::sqrt(correction2));
  args.eps = static_cast<float>(options.eps);

  const runtime::Macros macros = queue.tuned("adamw");
  const auto wg = static_cast<std::size_t>(runtime::value_of(macros, "WG"));
  const auto per_wg = static_cast<std::size_t>(runtime::value_of(macros, "WG_ELEMENTS"));
  const std::size_t groups = (std::size_t{args.count} + per_wg - 1) / per_wg;
  queue.launch("adamw", "adamw_step", macros, {{groups * wg, 1, 1}, {wg, 1, 1}},
               {runtime::Arg::value(args), loss, p, g, m, v});
}

}  // namespace apiq::ops
