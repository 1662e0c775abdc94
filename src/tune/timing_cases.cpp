#include "tune/timing_cases.hpp"

#include <algorithm>
#include <memory>

#include "ops/adamw.hpp"
#include "ops/fake_quant.hpp"
#include "ops/gemm.hpp"
#include "ops/nn.hpp"
#include "util/half.hpp"
#include "util/random.hpp"

namespace apiq::tuning {

using runtime::DeviceTensor;
using runtime::Queue;

DeviceTensor operand(Queue& queue, const Shape& shape, DType dtype, float scale) {
  constexpr std::size_t kPeriod = 4099;  // a prime: rows differ
  const CounterRandom random(1, shape.elements());
  std::vector<float> period(kPeriod);
  for (std::size_t i = 0; i < kPeriod; ++i) period[i] = scale * (2 * random.uniform(i) - 1);
  DeviceTensor tensor(queue.device(), dtype, shape, "operand of a timing case");
  const auto fill = [&](auto convert) {
    std::vector<decltype(convert(0.0f))> values(shape.elements());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = convert(period[i % kPeriod]);
    queue.write(tensor, values.data());
  };
  if (dtype == DType::f32) fill([](float x) { return x; });
  else fill([](float x) { return float_to_half(x); });
  return tensor;
}

std::vector<TimingCase> timing_cases(std::string_view program, bool is_cpu) {
  std::vector<TimingCase> out;
  for (auto& part : {packed_timing_cases(program), dense_timing_cases(program, is_cpu),
                     attention_timing_cases(program), streaming_timing_cases(program)})
    out.insert(out.end(), part.begin(), part.end());
  return out;
}

namespace {

/// form: 't' a b^T, 'n' a b, 'w' a^T b.
TimingCase product(char form, std::uint64_t M, std::uint64_t N, std::uint64_t K) {
  const char* name = form == 't' ? "nt " : form == 'n' ? "nn " : "tn ";
  const double m = static_cast<double>(M), n = static_cast<double>(N), k = static_cast<double>(K);
  return {name + std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K),
          4 * (m * k + n * k + m * n), 2 * m * n * k, [=](Queue& queue) -> std::function<void()> {
            const auto a = std::make_shared<DeviceTensor>(
                           operand(queue, form == 'w' ? Shape{K, M} : Shape{M, K})),
                       b = std::make_shared<DeviceTensor>(
                           operand(queue, form == 't' ? Shape{N, K} : Shape{K, N})),
                       c = std::make_shared<DeviceTensor>(queue.device(), DType::f32, Shape{M, N},
                                                          "product of a timing case");
            return [=, &queue] {
              if (form == 't') ops::matmul_nt(queue, runtime::Rounding::none, *a, *b, *c);
              else if (form == 'n') ops::matmul_nn(queue, runtime::Rounding::none, *a, *b, *c);
              else ops::matmul_tn(queue, runtime::Rounding::none, *a, *b, *c);
            };
          }};
}

}  // namespace

std::vector<TimingCase> dense_timing_cases(std::string_view program, bool is_cpu) {
  if (program == "gemm" && is_cpu)
    return {product('n', 1, 4096, 4096), product('n', 4, 4096, 4096), product('w', 8, 4096, 256)};
  if (program == "gemm")
    return {product('t', 128, 4096, 4096), product('n', 128, 4096, 4096), product('w', 4096, 4096, 128),
            product('t', 8, 4096, 4096)};
  if (program == "gemm_rows" || program == "gemm_dot")
    return {product('t', 1, 4096, 4096), product('t', 4, 4096, 4096), product('t', 8, 4096, 4096),
            product('t', 12, 4096, 4096)};
  if (program == "gemm_block")
    return {product('t', 256, 768, 256),  product('n', 256, 256, 768),  product('w', 768, 256, 256),
            product('t', 8, 4096, 4096),  product('t', 16, 4096, 4096), product('t', 128, 4096, 4096),
            product('w', 4096, 4096, 128)};
  return {};
}

namespace {

struct AttentionShape {
  std::uint64_t queries, keys, heads, kv_heads, head_dim;
  DType dtype = DType::f32;

  std::string text() const {
    return std::string(name_of(dtype)) + " " + std::to_string(queries) + " of " + std::to_string(keys) +
           ", " + std::to_string(heads) + "/" + std::to_string(kv_heads) + " heads of " +
           std::to_string(head_dim);
  }
  double product_flops() const {
    return 2.0 * static_cast<double>(queries) *
           (static_cast<double>(keys) - 0.5 * (static_cast<double>(queries) - 1)) *
           static_cast<double>(heads * head_dim);
  }
  double bytes() const {
    return static_cast<double>(2 * (queries * heads + keys * kv_heads) * head_dim * size_of(dtype));
  }
};

struct AttentionOperands {
  AttentionOperands(Queue& queue, const AttentionShape& s)
      : q(operand(queue, {s.queries, s.heads, s.head_dim}, s.dtype)),
        k(operand(queue, {s.keys, s.kv_heads, s.head_dim}, s.dtype)),
        v(operand(queue, {s.keys, s.kv_heads, s.head_dim}, s.dtype)),
        out(operand(queue, q.shape(), s.dtype)),
        lse(operand(queue, {s.heads, s.queries})) {}
  DeviceTensor q, k, v, out, lse, d_out{}, d_q{}, d_k{}, d_v{};
};

TimingCase attention_forward(const AttentionShape& s) {
  return {s.text(), s.bytes(), 2 * s.product_flops(), [=](Queue& queue) -> std::function<void()> {
            const auto o = std::make_shared<AttentionOperands>(queue, s);
            return [=, &queue] { ops::attention_fwd(queue, o->q, o->k, o->v, o->out, o->lse); };
          }};
}

TimingCase attention_backward(const AttentionShape& s) {
  return {s.text(), 2 * s.bytes(), 5 * s.product_flops(), [=](Queue& queue) -> std::function<void()> {
            const auto o = std::make_shared<AttentionOperands>(queue, s);
            o->d_out = operand(queue, o->q.shape(), s.dtype);
            for (DeviceTensor* tensor : {&o->d_q, &o->d_k, &o->d_v})
              *tensor = DeviceTensor(queue.device(), s.dtype, tensor == &o->d_q ? o->q.shape() : o->k.shape(),
                                     "gradient of a timing case");
            ops::attention_fwd(queue, o->q, o->k, o->v, o->out, o->lse);
            return [=, &queue] {
              ops::attention_bwd(queue, o->q, o->k, o->v, o->out, o->lse, o->d_out, o->d_q, o->d_k, o->d_v);
            };
          }};
}

}  // namespace

std::vector<TimingCase> attention_timing_cases(std::string_view program) {
  const AttentionShape small{256, 256, 8, 4, 32}, large{512, 512, 32, 32, 128};
  if (program == "attention") return {attention_forward(small), attention_forward(large)};
  if (program == "attention_bwd" || program == "attention_bwd_tiles")
    return {attention_backward(small), attention_backward(large)};
  if (program == "attention_decode")
    return {attention_forward({1, 512, 8, 4, 32}), attention_forward({1, 2048, 32, 32, 128, DType::f16})};
  return {};
}

namespace {

/// Tensors that a streaming case works on, made from their shapes.
using Tensors = std::vector<DeviceTensor>;

/// bytes: of all tensors together, `extra` of them once more.
TimingCase streaming(const std::string& name, const std::vector<Shape>& shapes, double extra,
                     const std::function<void(Queue&, const Tensors&)>& call, DType dtype = DType::f32) {
  double bytes = extra;
  for (const Shape& shape : shapes) bytes += static_cast<double>(shape.elements() * size_of(dtype));
  return {name, bytes, 0, [=](Queue& queue) -> std::function<void()> {
            const auto tensors = std::make_shared<Tensors>();
            for (const Shape& shape : shapes) tensors->push_back(operand(queue, shape, dtype));
            return [=, &queue] { call(queue, *tensors); };
          }};
}

std::string rows_text(const char* op, std::uint64_t rows, std::uint64_t columns) {
  return std::string(op) + " " + std::to_string(rows) + "x" + std::to_string(columns);
}

std::vector<TimingCase> rmsnorm_cases() {
  std::vector<TimingCase> out;
  for (const auto& [rows, n] : {std::pair<std::uint64_t, std::uint64_t>{1, 4096}, {256, 256}, {256, 4096}})
    out.push_back(
        streaming(rows_text("fwd", rows, n), {{rows, n}, {n}, {rows, n}}, 0,
                  [](Queue& q, const Tensors& t) { ops::rmsnorm_fwd(q, t[0], t[1], 1e-5f, t[2]); }));
  out.push_back(
      streaming(rows_text("bwd", 256, 4096), {{256, 4096}, {4096}, {256, 4096}, {256, 4096}}, 0,
                [](Queue& q, const Tensors& t) { ops::rmsnorm_bwd(q, t[0], t[1], 1e-5f, t[2], t[3]); }));
  return out;
}

std::vector<TimingCase> swiglu_cases() {
  std::vector<TimingCase> out;
  for (const auto& [rows, n] :
       {std::pair<std::uint64_t, std::uint64_t>{1, 11008}, {256, 768}, {256, 11008}}) {
    const Shape s{rows, n};
    out.push_back(streaming(rows_text("fwd", rows, n), {s, s, s}, 0,
                            [](Queue& q, const Tensors& t) { ops::swiglu_fwd(q, t[0], t[1], t[2]); }));
  }
  const Shape s{256, 768};
  out.push_back(streaming(rows_text("bwd", 256, 768), {s, s, s, s, s}, 0, [](Queue& q, const Tensors& t) {
    ops::swiglu_bwd(q, t[0], t[1], t[2], t[3], t[4]);
  }));
  return out;
}

TimingCase rope_case(std::uint64_t tokens) {
  return {rows_text("fwd", tokens, 4096), static_cast<double>(2 * tokens * 4096 * 4), 0,
          [=](Queue& queue) -> std::function<void()> {
            const auto t = std::make_shared<Tensors>();
            for (const Shape& shape : {Shape{tokens, 32, 128}, Shape{512, 64}, Shape{512, 64}})
              t->push_back(operand(queue, shape));
            ops::rope_tables(queue, 10000.0f, 128, (*t)[1],
                             (*t)[2]);  // true rotations: repeated in place, others would end in denormals
            return [=, &queue] { ops::rope_fwd(queue, (*t)[0], (*t)[1], (*t)[2], 0); };
          }};
}

TimingCase add_case(std::uint64_t rows, std::uint64_t n) {
  const Shape s{rows, n};
  return streaming(rows_text("add", rows, n), {s, s, s}, 0,
                   [](Queue& q, const Tensors& t) { ops::add(q, t[0], t[1], t[2]); });
}

std::vector<TimingCase> fake_quant_cases() {
  const ops::QuantSpec spec{.bits = 2, .group_size = 64};
  const Shape w{4096, 4096}, grid{4096, 64};
  return {
      streaming("fwd 4096x4096", {w, grid, grid, w}, 0,
                [spec](Queue& q, const Tensors& t) { ops::fake_quant_fwd(q, spec, t[0], t[1], t[2], t[3]); }),
      streaming("bwd 4096x4096", {w, grid, grid, grid, grid, grid, grid, w, grid, grid, w}, 0,
                [spec](Queue& q, const Tensors& t) {
                  ops::fake_quant_bwd(q, spec, t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], t[8], t[9],
                                      t[10]);
                })};
}

TimingCase cross_entropy_case(bool backward) {
  constexpr std::uint64_t kRows = 128, kVocab = 32000;
  const double logits = static_cast<double>(kRows * kVocab * 4);
  return {rows_text(backward ? "bwd" : "fwd", kRows, kVocab), (backward ? 2 : 1) * logits, 0,
          [=](Queue& queue) -> std::function<void()> {
            const auto t = std::make_shared<Tensors>();
            t->push_back(operand(queue, {kRows, kVocab}, DType::f32, 8.0f));
            t->push_back(operand(queue, {kRows, kVocab}));
            t->push_back(operand(queue, {kRows}));
            for (int i = 0; i < 2; ++i)
              t->emplace_back(queue.device(), DType::u32, Shape{kRows}, "targets of a timing case");
            queue.fill_zero((*t)[3]);
            return [=, &queue] {
              if (backward) ops::cross_entropy_bwd(queue, (*t)[0], (*t)[3], 1.0f, (*t)[1]);
              else ops::cross_entropy_fwd(queue, (*t)[0], (*t)[3], (*t)[2], (*t)[4]);
            };
          }};
}

TimingCase adamw_case(std::uint64_t rows, std::uint64_t n) {
  const Shape s{rows, n};
  const double bytes =
      static_cast<double>(7 * s.elements() * 4);  // p, m and v are read and written, g is read
  return {rows_text("step", rows, n), bytes, 0, [=](Queue& queue) -> std::function<void()> {
            const auto t = std::make_shared<Tensors>();
            for (const Shape& shape : {s, s, s, s, Shape{1}}) t->push_back(operand(queue, shape));
            const auto skipped = std::make_shared<DeviceTensor>(queue.device(), DType::u32, Shape{1},
                                                                "operand of a timing case");
            queue.fill_zero(*skipped);
            return [=, &queue] {
              ops::adamw_step(queue, ops::AdamwOptions{.learning_rate = 0.0f}, 1, (*t)[4], *skipped, (*t)[0],
                              (*t)[1], (*t)[2], (*t)[3]);
            };
          }};
}

}  // namespace

std::vector<TimingCase> streaming_timing_cases(std::string_view program) {
  if (program == "rmsnorm") return rmsnorm_cases();
  if (program == "swiglu") return swiglu_cases();
  if (program == "rope") return {rope_case(1), rope_case(256)};
  if (program == "elementwise") return {add_case(1, 4096), add_case(256, 256), add_case(256, 4096)};
  if (program == "fake_quant") return fake_quant_cases();
  if (program == "adamw") return {adamw_case(768, 256), adamw_case(4096, 4096)};
  if (program == "cross_entropy") return {cross_entropy_case(false), cross_entropy_case(true)};
  if (program == "loss") {
    const Shape s{2048, 4096};
    return {streaming("squared_error 2048x4096", {s, s, s, {1}}, 0, [](Queue& q, const Tensors& t) {
      ops::squared_error(q, t[0], t[1], 1.0f, t[2], t[3]);
    })};
  }
  if (program == "to_f32") {
    return {{"f16 4096x4096", 6.0 * 4096 * 4096, 0, [](Queue& queue) -> std::function<void()> {
               const auto x = std::make_shared<DeviceTensor>(operand(queue, {4096, 4096}, DType::f16)),
                          y = std::make_shared<DeviceTensor>(queue.device(), DType::f32, Shape{4096, 4096},
                                                             "operand of a timing case");
               return [=, &queue] { ops::to_f32(queue, *x, *y); };
             }}};
  }
  return {};
}

}  // namespace apiq::tuning
