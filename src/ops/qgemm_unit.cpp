#include "ops/qgemm_unit.hpp"

#include "ops/qmatmul_parts.hpp"
#include "ops/unit_parts.hpp"

namespace apiq::ops {

namespace {

using runtime::Arg;
using runtime::Macros;
using runtime::operator+;

/// One of the two directions: which tensor is multiplied, and which LoRA factors come first and last.
struct Direction {
  std::string_view op, in_name, out_name;
  bool transposed;
  TensorView in, out;
  std::uint64_t in_columns, out_columns;
  UnitOperand lora_first;  // [rank, in_columns], k contiguous
  TensorView lora_last;    // [rank, out_columns or more]
};

void check(const Direction& d, const PackedWeightView& w, const LoraView& lora) {
  check_packed(d.op.data(), w);
  check_half(d.op, d.in_name, d.in);
  check_half(d.op, d.out_name, d.out);
  check_rank(d.op, d.in_name, d.in, 2);
  check_tensor(d.op, d.in_name, d.in, d.in.dtype, {d.in.shape[0], d.in_columns});
  check_tensor(d.op, d.out_name, d.out, d.out.dtype, {d.in.shape[0], d.out_columns});
  if (lora.rank == 0) return;
  check_tensor(d.op, "lora_A", lora.A, DType::f16, {lora.rank, w.layout.in_features});
  check_tensor(d.op, "lora_B transposed", lora.B_t, DType::f16,
               {lora.rank, w.layout.row_blocks() * kRowBlock});
}

/// Lines of in and t, blocks of 32 words and of 32 scales all start at multiples of 16 bytes.
bool aligned(const Direction& d, const PackedWeightView& w, const TensorView& t) {
  const std::uint64_t in_16_bytes = is_half(d.in) ? 8 : 4;
  const bool t_aligned = t.memory == nullptr || (t.offset % 4 == 0 && t.shape[1] % 4 == 0);
  return d.in.offset % in_16_bytes == 0 && d.in_columns % in_16_bytes == 0 && t_aligned &&
         w.qweight.offset % 4 == 0 && w.scales.offset % 8 == 0;
}

QgemmUnitArgs arguments(const Direction& d, const PackedWeightView& w, const LoraView& lora,
                        const TensorView& t, const UnitPlan& plan) {
  const PackedLayout& l = w.layout;
  QgemmUnitArgs a{};
  a.K = count32(d.op, d.in_name, d.in_columns);
  a.x_offset = offset32(d.op, d.in_name, d.in);
  a.x_stride = a.K;
  if (lora.rank != 0) {
    a.rank = lora.rank;
    a.t_offset = offset32(d.op, "lora_t", t);
    a.t_stride = lora.rank;
    a.lora_offset = offset32(d.op, "lora factor", d.lora_last);
    a.lora_stride = count32(d.op, "stride of a lora factor", d.lora_last.shape[1]);
  }
  a.row_tiles = count32(d.op, "row tiles", plan.row_tiles);
  a.column_tiles = count32(d.op, "column tiles", plan.column_tiles);
  a.w = {offset32(d.op, "qweight", w.qweight),
         offset32(d.op, "scales", w.scales),
         offset32(d.op, "qzeros", w.qzeros),
         count32(d.op, "padded rows", l.row_blocks() * kRowBlock),
         l.group_size,
         count32(d.op, "groups", l.groups()),
         count32(d.op, "chunks", l.chunks())};
  a.c = unit_output(d.op, d.out, 1.0f, 0.0f);
  return a;
}

void run(Queue& queue, const UnitMode& mode, const PackedWeightView& w, const LoraView& lora,
         const Direction& d) {
  check(d, w, lora);
  if (d.in.shape[0] == 0) return;
  const UnitPlan plan = unit_plan(queue, "qgemm_unit", mode, d.in.shape[0], d.out_columns);
  runtime::Workspace::Scope scope(queue.workspace());
  TensorView t;
  if (lora.rank != 0) {
    t = queue.workspace().allocate(DType::f32, {d.in.shape[0], lora.rank});
    unit_product(queue, mode, d.op, {d.in, true, d.in_columns}, d.lora_first, d.in_columns, t, lora.scaling,
                 0.0f);
  }
  const Macros meaning{{"WHOLE", w.layout.group_size % kChunk == 0},
                       {"TRANSPOSED", d.transposed},
                       {"X_HALF", is_half(d.in)},
                       {"INPUT_BF16", mode.input == runtime::InputType::bf16},
                       {"UNIT_LOADS", mode.loads},
                       {"VW", 1},
                       {"ALIGNED", aligned(d, w, t)}};
  queue.launch(plan.program, "qgemm_unit", codec_macros(w) + meaning + plan.tunables, plan.range,
               {Arg::value(arguments(d, w, lora, t, plan)), w.qweight, w.scales, w.qzeros, d.in, t,
                d.lora_last, d.out});
}

}  // namespace

void unit_qmatmul(Queue& queue, const UnitMode& mode, const PackedWeightView& w, const LoraView& lora,
                  const TensorView& x, const TensorView& y) {
  const PackedLayout& l = w.layout;
  run(queue, mode, w, lora,
      {"unit_qmatmul",
       "x",
       "y",
       false,
       x,
       y,
       l.in_features,
       l.out_features,
       {lora.A, true, l.in_features},
       lora.B_t});
}

void unit_qmatmul_bwd(Queue& queue, const UnitMode& mode, const PackedWeightView& w, const LoraView& lora,
                      const TensorView& dy, const TensorView& dx) {
  const PackedLayout& l = w.layout;
  run(queue, mode, w, lora,
      {"unit_qmatmul_bwd",
       "dy",
       "dx",
       true,
       dy,
       dx,
       l.out_features,
       l.in_features,
       {lora.B_t, true, l.row_blocks() * kRowBlock},
       lora.A});
}

}  // namespace apiq::ops
