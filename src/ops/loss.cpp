// Launchers of the losses declared in ops/nn.hpp: per row of logits (cl/nn/cross_entropy.cl) and over whole
// tensors (cl/nn/loss.cl).
#include <type_traits>

#include "ops/checks.hpp"
#include "ops/nn.hpp"
#include "shared/types.h"

#include "shared/cross_entropy_args.h"
#include "shared/loss_args.h"

namespace apiq::ops {

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;

namespace {

static_assert(sizeof(CrossEntropyArgs) == 8 * 4 && std::is_trivially_copyable_v<CrossEntropyArgs>);
static_assert(sizeof(LossArgs) == 9 * 4 && std::is_trivially_copyable_v<LossArgs>);

/// Elements a work-group of the first stage adds up: the same on every device and for every budget.
constexpr std::uint32_t kWorkGroupElements = 16384;

Macros storage_macros(Queue& queue, std::string_view op, std::string_view program, std::string_view name,
                      const TensorView& view) {
  return Macros{{"HALF", check_half(op, name, view)}} + queue.tuned(program);
}

runtime::Range work_groups(const Macros& macros, std::size_t count) {
  const auto wg = static_cast<std::size_t>(runtime::value_of(macros, "WG"));
  return {{count * wg, 1, 1}, {wg, 1, 1}};
}

/// Checked rows of logits with the arguments and macros every kernel on them shares.
struct Rows {
  Rows(Queue& queue, std::string_view name, const TensorView& logits)
      : op(name),
        macros(storage_macros(queue, name, "cross_entropy", "logits", logits)),
        count(logits.shape[0]) {
    if (logits.shape.rank() != 2 || logits.shape[1] == 0 || logits.shape[1] >> 31 != 0)
      refuse(op, "logits", "[rows, vocab] with 1 <= vocab < 2^31", logits);
    args.vocab = static_cast<std::uint32_t>(logits.shape[1]);
    args.logits = offset32(op, "logits", logits);
  }

  std::uint32_t per_row(std::string_view name, const TensorView& view, DType dtype) const {
    check_tensor(op, name, view, dtype, {count});
    return offset32(op, name, view);
  }

  void launch(Queue& queue, std::initializer_list<Arg> tensors) const {
    queue.launch("cross_entropy", op, macros, work_groups(macros, count), tensors);
  }

  std::string_view op;  // also the kernel's name
  Macros macros;
  std::uint64_t count;
  CrossEntropyArgs args{};
};

/// Two tensors compared element by element.
struct Comparison {
  Comparison(Queue& queue, std::string_view op, const TensorView& y, const TensorView& target)
      : macros(storage_macros(queue, op, "loss", "first tensor", y)) {
    check_tensor(op, "second tensor", target, y.dtype, y.shape);
    args.y = offset32(op, "first tensor", y);
    args.target = offset32(op, "second tensor", target);
    args.count = static_cast<std::uint32_t>(y.elements());
    args.wg_elements = kWorkGroupElements;
    args.num_partials =
        static_cast<std::uint32_t>((y.elements() + kWorkGroupElements - 1) / kWorkGroupElements);
  }

  /// Scratch for the first stage's pairs, one list of num_partials after the other.
  TensorView partials(Queue& queue, std::uint32_t sums) {
    const TensorView view =
        queue.workspace().allocate(DType::f32, {std::uint64_t{sums} * args.num_partials, 2});
    args.partials = static_cast<std::uint32_t>(
        view.offset / 2);  // the kernels see pairs; scratch starts at a multiple of 256 bytes
    return view;
  }

  Macros macros;
  LossArgs args{};
};

}  // namespace

void cross_entropy_fwd(Queue& queue, const TensorView& logits, const TensorView& targets,
                       const TensorView& loss, const TensorView& argmax) {
  Rows rows(queue, "cross_entropy_fwd", logits);
  rows.args.targets = rows.per_row("targets", targets, DType::u32);
  rows.args.result = rows.per_row("loss", loss, DType::f32);
  rows.args.argmax = rows.per_row("argmax", argmax, DType::u32);
  rows.launch(queue, {Arg::value(rows.args), logits, targets, loss, argmax});
}

void cross_entropy_bwd(Queue& queue, const TensorView& logits, const TensorView& targets, float scale,
                       const TensorView& d_logits) {
  Rows rows(queue, "cross_entropy_bwd", logits);
  rows.args.targets = rows.per_row("targets", targets, DType::u32);
  check_tensor(rows.op, "d_logits", d_logits, logits.dtype, logits.shape);
  rows.args.d_logits = offset32(rows.op, "d_logits", d_logits);
  rows.args.scale = scale;
  rows.launch(queue, {Arg::value(rows.args), logits, targets, d_logits});
}

void kl_divergence_fwd(Queue& queue, const TensorView& reference, const TensorView& logits,
                       const TensorView& kl) {
  Rows rows(queue, "kl_divergence_fwd", logits);
  check_tensor(rows.op, "reference", reference, logits.dtype, logits.shape);
  rows.args.reference = offset32(rows.op, "reference", reference);
  rows.args.result = rows.per_row("kl", kl, DType::f32);
  rows.launch(queue, {Arg::value(rows.args), reference, logits, kl});
}

void squared_error(Queue& queue, const TensorView& y, const TensorView& target, float scale,
                   const TensorView& d_y, const TensorView& loss) {
  Comparison comparison(queue, "squared_error", y, target);
  check_tensor("squared_error", "d_y", d_y, y.dtype, y.shape);
  check_tensor("squared_error", "loss", loss, DType::f32, {1});
  const runtime::Workspace::Scope scope(queue.workspace());
  const TensorView partials = comparison.partials(queue, 1);
  LossArgs& args = comparison.args;
  args.d_y = offset32("squared_error", "d_y", d_y);
  args.sums = offset32("squared_error", "loss", loss);
  args.scale = scale;
  queue.launch("loss", "squared_error", comparison.macros, work_groups(comparison.macros, args.num_partials),
               {Arg::value(args), y, target, d_y, partials});
  queue.launch("loss", "sum_partials", comparison.macros, work_groups(comparison.macros, 1),
               {Arg::value(args), partials, loss});
}

std::uint64_t error_scratch_bytes(std::uint64_t elements) {
  return 2 * 2 * sizeof(float) *
         ((elements + kWorkGroupElements - 1) / kWorkGroupElements);  // two sums, each a high and a low part
}

void relative_error_sums(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& sums) {
  Comparison comparison(queue, "relative_error_sums", a, b);
  check_tensor("relative_error_sums", "sums", sums, DType::f32, {2});
  const runtime::Workspace::Scope scope(queue.workspace());
  const TensorView partials = comparison.partials(queue, 2);
  LossArgs& args = comparison.args;
  args.sums = offset32("relative_error_sums", "sums", sums);
  queue.launch("loss", "relative_error", comparison.macros, work_groups(comparison.macros, args.num_partials),
               {Arg::value(args), a, b, partials});
  queue.launch("loss", "sum_partials", comparison.macros, work_groups(comparison.macros, 2),
               {Arg::value(args), partials, sums});
}

void dot(Queue& queue, const TensorView& a, const TensorView& b, const TensorView& sum) {
  Comparison comparison(queue, "dot", a, b);
  check_tensor("dot", "sum", sum, DType::f32, {1});
  const runtime::Workspace::Scope scope(queue.workspace());
  const TensorView partials = comparison.partials(queue, 1);
  LossArgs& args = comparison.args;
  args.sums = offset32("dot", "sum", sum);
  queue.launch("loss", "dot_product", comparison.macros, work_groups(comparison.macros, args.num_partials),
               {Arg::value(args), a, b, partials});
  queue.launch("loss", "sum_partials", comparison.macros, work_groups(comparison.macros, 1),
               {Arg::value(args), partials, sum});
}

}  // namespace apiq::ops
