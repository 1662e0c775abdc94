#include <cmath>
#include <type_traits>
#include <vector>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/rope_args.h"

namespace apiq::ops {

using runtime::operator+;
using runtime::value_of;

static_assert(sizeof(RopeArgs) == 24 && std::is_trivial_v<RopeArgs>);

void rope_tables(Queue& queue, float theta, std::uint32_t head_dim, const TensorView& cos,
                 const TensorView& sin) {
  constexpr std::string_view op = "rope_tables";
  if (head_dim == 0 || head_dim % 2 != 0)
    throw ShapeError("[rope_tables] head_dim " + std::to_string(head_dim) + " is not a positive even number");
  check_tensor(op, "cos", cos, DType::f32, {cos.shape[0], head_dim / 2});
  check_tensor(op, "sin", sin, DType::f32, cos.shape);
  const std::uint64_t positions = cos.shape[0], pairs = head_dim / 2;
  // Every step is rounded to f32, as in transformers: exponent, power, its reciprocal, the angle. Only the
  // functions are taken in double.
  std::vector<float> inverse_frequency(pairs);
  for (std::uint64_t j = 0; j < pairs; ++j) {
    const float exponent = static_cast<float>(2 * j) / static_cast<float>(head_dim);
    inverse_frequency[j] =
        1.0f / static_cast<float>(std::pow(static_cast<double>(theta), static_cast<double>(exponent)));
  }
  std::vector<float> cosines(positions * pairs), sines(positions * pairs);
  for (std::uint64_t position = 0; position < positions; ++position) {
    for (std::uint64_t j = 0; j < pairs; ++j) {
      const float angle = static_cast<float>(position) * inverse_frequency[j];
      cosines[position * pairs + j] = static_cast<float>(std::cos(static_cast<double>(angle)));
      sines[position * pairs + j] = static_cast<float>(std::sin(static_cast<double>(angle)));
    }
  }
  queue.write(cos, cosines.data());
  queue.write(sin, sines.data());
}

namespace {

void rotate(Queue& queue, std::string_view op, const TensorView& x, const TensorView& cos,
            const TensorView& sin, std::uint32_t first_position) {
  const bool half = check_half(op, "x", x);
  check_rank(op, "x", x, 3);
  const std::uint64_t num_tokens = x.shape[0], heads = x.shape[1], head_dim = x.shape[2];
  if (head_dim % 2 != 0)
    throw ShapeError("[" + std::string(op) + "] head_dim " + std::to_string(head_dim) +
                     " is odd; rotary embedding turns pairs");
  check_tensor(op, "cos", cos, DType::f32, {cos.shape[0], head_dim / 2});
  check_tensor(op, "sin", sin, DType::f32, cos.shape);
  if (first_position + num_tokens > cos.shape[0])
    throw ShapeError("[" + std::string(op) + "] positions " + std::to_string(first_position) + " to " +
                     std::to_string(first_position + num_tokens) + " pass the tables' " +
                     std::to_string(cos.shape[0]) + " positions; make longer tables");
  const RopeArgs args{
      count32(op, "heads", heads), count32(op, "head_dim", head_dim), first_position,
      offset32(op, "x", x),        offset32(op, "cos", cos),          offset32(op, "sin", sin)};
  const auto tuned = queue.tuned("rope");
  const std::uint64_t vector_width = static_cast<std::uint64_t>(value_of(tuned, "VW")),
                      items = static_cast<std::uint64_t>(value_of(tuned, "ITEMS"));
  const std::size_t group = static_cast<std::size_t>(value_of(tuned, "WG"));
  const std::uint64_t vectors = heads * ((head_dim / 2 + vector_width - 1) / vector_width);
  queue.launch("rope", op, runtime::Macros{{"HALF", half}} + tuned,
               {{runtime::round_up((vectors + items - 1) / items, group), num_tokens, 1}, {group, 1, 1}},
               {runtime::Arg::value(args), x, cos, sin});
}

}  // namespace

void rope_fwd(Queue& queue, const TensorView& x, const TensorView& cos, const TensorView& sin,
              std::uint32_t first_position) {
  rotate(queue, "rope_fwd", x, cos, sin, first_position);
}

void rope_bwd(Queue& queue, const TensorView& dx, const TensorView& cos, const TensorView& sin,
              std::uint32_t first_position) {
  rotate(queue, "rope_bwd", dx, cos, sin, first_position);
}

}  // namespace apiq::ops
