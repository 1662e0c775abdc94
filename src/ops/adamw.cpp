#include "ops/adamw.hpp"

#include <cmath>
#include <type_traits>

#include "ops/checks.hpp"
#include "shared/types.h"

#include "shared/adamw_args.h"

namespace apiq::ops {

static_assert(sizeof(AdamwArgs) == 19 * 4 && std::is_trivially_copyable_v<AdamwArgs>);
static_assert(sizeof(GuardArgs) == 6 * 4 && std::is_trivially_copyable_v<GuardArgs>);

namespace {

/// Both kernels give a work-group WG_ELEMENTS consecutive elements.
struct Groups {
  explicit Groups(Queue& queue)
      : macros(queue.tuned("adamw")),
        wg(static_cast<std::size_t>(runtime::value_of(macros, "WG"))),
        elements(static_cast<std::size_t>(runtime::value_of(macros, "WG_ELEMENTS"))) {}
  std::size_t of(std::size_t count) const { return (count + elements - 1) / elements; }
  runtime::Range range(std::size_t groups) const { return {{groups * wg, 1, 1}, {wg, 1, 1}}; }

  runtime::Macros macros;
  std::size_t wg, elements;
};

}  // namespace

void adamw_step(Queue& queue, const AdamwOptions& options, std::uint32_t step, const TensorView& loss,
                const TensorView& skipped, const TensorView& p, const TensorView& g, const TensorView& m,
                const TensorView& v) {
  if (step == 0) throw InvalidArgument("[adamw_step] step: counts from 1, got 0");
  constexpr std::string_view op = "adamw_step";
  const Shape& shape = p.shape;
  check_tensor(op, "p", p, DType::f32, shape);
  check_tensor(op, "g", g, DType::f32, shape);
  check_tensor(op, "m", m, DType::f32, shape);
  check_tensor(op, "v", v, DType::f32, shape);
  check_tensor(op, "loss", loss, DType::f32, {1});
  check_tensor(op, "skipped", skipped, DType::u32, {1});

  const double correction1 = 1.0 - std::pow(options.beta1, step),
               correction2 = 1.0 - std::pow(options.beta2, step);
  AdamwArgs args{};
  args.p = offset32(op, "p", p);
  args.g = offset32(op, "g", g);
  args.m = offset32(op, "m", m);
  args.v = offset32(op, "v", v);
  args.loss = offset32(op, "loss", loss);
  args.skipped = offset32(op, "skipped", skipped);
  args.count = static_cast<std::uint32_t>(p.elements());
  args.decay = static_cast<float>(1.0 - options.learning_rate * options.weight_decay);
  args.beta1 = static_cast<float>(options.beta1);
  args.rest1 = static_cast<float>(1.0 - options.beta1);
  args.beta2 = static_cast<float>(options.beta2);
  args.rest2 = static_cast<float>(1.0 - options.beta2);
  args.step_size = static_cast<float>(options.learning_rate / correction1);
  args.root_correction = static_cast<float>(std::sqrt(correction2));
  args.eps = static_cast<float>(options.eps);
  args.step = step;
  args.learning_rate = static_cast<float>(options.learning_rate);
  args.log_beta1 = static_cast<float>(std::log(options.beta1));
  args.log_beta2 = static_cast<float>(std::log(options.beta2));

  const Groups groups(queue);
  queue.launch("adamw", "adamw_step", groups.macros, groups.range(groups.of(args.count)),
               {runtime::Arg::value(args), loss, skipped, p, g, m, v});
}

void guard_loss(Queue& queue, const TensorView& loss, const TensorView& x, const TensorView& y) {
  constexpr std::string_view op = "guard_loss";
  const bool has_y = y.memory != nullptr;
  check_tensor(op, "loss", loss, DType::f32, {1});
  check_tensor(op, "x", x, DType::f32, x.shape);
  if (has_y) check_tensor(op, "y", y, DType::f32, y.shape);
  const Groups groups(queue);
  GuardArgs args{};
  args.loss = offset32(op, "loss", loss);
  args.x = offset32(op, "x", x);
  args.y = has_y ? offset32(op, "y", y) : 0;
  args.x_count = count32(op, "elements of x", x.elements());
  args.y_count = has_y ? count32(op, "elements of y", y.elements()) : 0;
  args.x_groups = static_cast<std::uint32_t>(groups.of(args.x_count));
  queue.launch("adamw", "guard_loss", groups.macros, groups.range(args.x_groups + groups.of(args.y_count)),
               {runtime::Arg::value(args), loss, x, has_y ? y : x});
}

}  // namespace apiq::ops
