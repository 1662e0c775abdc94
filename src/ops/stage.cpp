#include "ops/stage.hpp"

#include <algorithm>
#include <array>
#include <type_traits>

#include "ops/qmatmul_parts.hpp"
#include "shared/stage_args.h"

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::round_up;
using runtime::value_of;
using runtime::operator+;

constexpr std::string_view kOp = "decode_stage";
constexpr std::size_t kLinears = APIQ_STAGE_LINEARS;

static_assert(sizeof(StageInputArgs) == (11 + 4 * kLinears) * 4 &&
              std::is_trivially_copyable_v<StageInputArgs>);
static_assert(sizeof(StageProductsArgs) == (7 + 8 * kLinears) * 4 &&
              std::is_trivially_copyable_v<StageProductsArgs>);

std::size_t parts(std::size_t count, std::size_t size) { return (count + size - 1) / size; }

/// What stage_input leaves for stage_products.
struct Prepared {
  TensorView prepared, sums, t;
  std::uint32_t t_stride = 0;
};

void check_stage(std::span<const StageLinear> linears, const TensorView& x, const TensorView& norm,
                 StageOutput output) {
  std::vector<PackedWeightView> weights;
  for (const StageLinear& linear : linears) weights.push_back(linear.weight);
  if (!is_stage(weights) || (output == StageOutput::gated && linears.size() != 2))
    throw InvalidArgument(
        "[decode_stage] expected one to three linears (two for a gated output) of one format in whole "
        "chunks");
  check_half(kOp, "x", x);
  check_tensor(kOp, "x", x, x.dtype, {1, linears[0].weight.layout.in_features});
  if (norm.memory != nullptr) check_elements(kOp, "norm", norm, DType::f32, x.elements());
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const StageLinear& linear = linears[i];
    check_packed("decode_stage", linear.weight);
    if (output == StageOutput::gated &&
        linear.weight.layout.out_features != linears[0].weight.layout.out_features)
      throw ShapeError("[decode_stage] gate and up differ in out_features");
    if (output != StageOutput::gated || i == 0)
      check_tensor(kOp, "y", linear.y, x.dtype, {1, linear.weight.layout.out_features});
    if (linear.lora.rank == 0) continue;
    check_tensor(kOp, "lora_A", linear.lora.A, DType::f16, {linear.lora.rank, x.shape[1]});
    check_tensor(kOp, "lora_B transposed", linear.lora.B_t, DType::f16,
                 {linear.lora.rank, linear.weight.layout.row_blocks() * kRowBlock});
  }
}

/// Both kernels must agree on how codes are taken out. The products' settings are those measured for qgemv,
/// whose inner loop they have.
Macros macros_of(Queue& queue, std::span<const StageLinear> linears, bool half, bool norm,
                 StageOutput output) {
  Macros tuned = queue.tuned("stage");
  const Macros products = queue.tuned("qgemv");
  for (auto& [name, value] : tuned)
    for (const auto& [other, measured] : products)
      if (name == other) value = measured;
  return codec_macros(linears[0].weight) +
         Macros{{"ALIGNED", 1}, {"Y_HALF", half}, {"NORM", norm}, {"OUTPUT", static_cast<int>(output)}} +
         tuned;
}

void launch_input(Queue& queue, const Macros& macros, std::span<const StageLinear> linears,
                  const TensorView& x, const TensorView& norm, float eps, const Prepared& to) {
  const PackedLayout& layout = linears[0].weight.layout;
  const auto group = static_cast<std::size_t>(value_of(macros, "WG")),
             ranks = static_cast<std::size_t>(value_of(macros, "RANKS"));
  StageInputArgs a{};
  a.features = layout.in_features;
  a.group_size = layout.group_size;
  a.groups = static_cast<std::uint32_t>(layout.groups());
  a.linears = static_cast<std::uint32_t>(linears.size());
  a.eps = eps;
  a.x = offset32(kOp, "x", x);
  a.norm = offset32(kOp, "norm", norm);
  a.prepared = offset32(kOp, "prepared input", to.prepared);
  a.sums = offset32(kOp, "sums", to.sums);
  a.t = offset32(kOp, "LoRA's narrow half", to.t);
  a.t_stride = to.t_stride;
  std::size_t groups = 1;
  std::array<TensorView, kLinears> lora_A;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    const LoraView& lora = linears[i].lora;
    if (lora.rank == 0) continue;
    lora_A[i] = lora.A;
    a.ranks[i] = lora.rank;
    a.lora_A[i] = offset32(kOp, "lora_A", lora.A);
    a.scaling[i] = lora.scaling;
    a.rank_groups[i] = static_cast<std::uint32_t>(parts(lora.rank, ranks));
    groups += a.rank_groups[i];
  }
  queue.launch("stage", "stage_input", macros, {{groups * group, 1, 1}, {group, 1, 1}},
               {Arg::value(a), x, norm, lora_A[0], lora_A[1], lora_A[2], to.prepared, to.sums, to.t});
}

void launch_products(Queue& queue, const Macros& macros, std::span<const StageLinear> linears,
                     StageOutput output, const Prepared& from) {
  const PackedLayout& layout = linears[0].weight.layout;
  const auto ls = static_cast<std::size_t>(value_of(macros, "LS")),
             ks = static_cast<std::size_t>(value_of(macros, "KS"));
  const auto rows = static_cast<std::size_t>(value_of(macros, "VW") * value_of(macros, "RV"));
  StageProductsArgs a{};
  a.group_size = layout.group_size;
  a.groups = static_cast<std::uint32_t>(layout.groups());
  a.chunks = static_cast<std::uint32_t>(layout.chunks());
  a.prepared = offset32(kOp, "prepared input", from.prepared);
  a.sums = offset32(kOp, "sums", from.sums);
  a.t = offset32(kOp, "LoRA's narrow half", from.t);
  a.t_stride = from.t_stride;
  std::size_t groups = 0;
  std::array<StageLinear, kLinears> l;
  for (std::size_t i = 0; i < linears.size(); ++i) {
    l[i] = linears[i];
    a.out_features[i] = l[i].weight.layout.out_features;
    a.row_groups[i] = static_cast<std::uint32_t>(parts(a.out_features[i], rows * ls));
    if (output != StageOutput::gated || i == 0) groups += a.row_groups[i];
    a.qweight[i] = offset32(kOp, "qweight", l[i].weight.qweight);
    a.scales[i] = offset32(kOp, "scales", l[i].weight.scales);
    a.qzeros[i] = offset32(kOp, "qzeros", l[i].weight.qzeros);
    a.ranks[i] = l[i].lora.rank;
    a.lora_B_t[i] = l[i].lora.rank != 0 ? offset32(kOp, "lora_B transposed", l[i].lora.B_t) : 0;
    a.y[i] = output != StageOutput::gated || i == 0 ? offset32(kOp, "y", l[i].y) : 0;
  }
  queue.launch("stage", "stage_products", macros, {{groups * ls, ks, 1}, {ls, ks, 1}},
               {Arg::value(a), l[0].weight.qweight, l[0].weight.scales, l[0].weight.qzeros, l[0].lora.B_t,
                l[0].y, l[1].weight.qweight, l[1].weight.scales, l[1].weight.qzeros, l[1].lora.B_t, l[1].y,
                l[2].weight.qweight, l[2].weight.scales, l[2].weight.qzeros, l[2].lora.B_t, l[2].y,
                from.prepared, from.sums, from.t});
}

}  // namespace

bool is_stage(std::span<const PackedWeightView> weights) {
  if (weights.empty() || weights.size() > kLinears) return false;
  const PackedLayout& first = weights[0].layout;
  if (first.group_size == 0 || first.group_size % kChunk != 0) return false;
  return std::all_of(weights.begin(), weights.end(), [&](const PackedWeightView& w) {
    return w.layout.format() == first.format() && w.layout.in_features == first.in_features;
  });
}

void decode_stage(Queue& queue, std::span<const StageLinear> linears, const TensorView& x,
                  const TensorView& norm, float eps, StageOutput output) {
  check_stage(linears, x, norm, output);
  const PackedLayout& layout = linears[0].weight.layout;
  const Macros macros = macros_of(queue, linears, is_half(x), norm.memory != nullptr, output);
  runtime::Workspace::Scope scope(queue.workspace());
  Prepared between;
  between.prepared = queue.workspace().allocate(DType::f32, {layout.in_features});
  between.sums = queue.workspace().allocate(DType::f32, {layout.groups()});
  for (const StageLinear& linear : linears) between.t_stride = std::max(between.t_stride, linear.lora.rank);
  between.t = queue.workspace().allocate(DType::f32, {kLinears, std::max(between.t_stride, 1u)});
  launch_input(queue, macros, linears, x, norm, eps, between);
  launch_products(queue, macros, linears, output, between);
}

}  // namespace apiq::ops
