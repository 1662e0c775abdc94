// Dense products against OpenBLAS sgemm (two threads): squares, the products of training steps of the demo
// model and of a 7B model, with LoRA of rank 16 and 64, and a few rows as in decoding (f32 and f16 weights,
// held against read bandwidth). All three forms. One case also times CLBlast, for the choice between the
// engines.
#include <cblas.h>

#include <algorithm>
#include <cmath>

#include "harness.hpp"
#include "ops/gemm.hpp"
#include "util/half.hpp"

namespace {

using namespace apiq;
using perf::Contender;

struct Case {
  std::string group;
  char form;  // 't': nt, 'n': nn, 'w': tn (weight gradient)
  std::uint64_t M, N, K;
  float beta = 0;
  DType b = DType::f32;
  const char* engine = "own";

  std::string text() const {
    const char* name = form == 't' ? "nt" : form == 'n' ? "nn" : "tn";
    return group + " " + name + " " + std::to_string(M) + "x" + std::to_string(N) + "x" + std::to_string(K) +
           (beta != 0 ? " beta" : "") + (b == DType::f16 ? " f16" : "") +
           (std::string_view(engine) == "own" ? "" : std::string(" ") + engine);
  }
  bool streams() const { return M <= 8; }  // time is that of reading b
};

/// A shape that several linears of a model have is measured once.
void add(std::vector<Case>& cases, const Case& x) {
  for (const Case& known : cases)
    if (known.text() == x.text()) return;
  cases.push_back(x);
}

/// The products of one linear [out, in] in a training step over `tokens` tokens.
void add_linear(std::vector<Case>& cases, const std::string& group, std::uint64_t tokens, std::uint64_t in,
                std::uint64_t out) {
  add(cases, {group, 't', tokens, out, in});  // y = x w^T
  add(cases, {group, 'n', tokens, in, out});  // dx = dy w
  add(cases, {group, 'w', out, in, tokens});  // dw = dy^T x
}

/// Those of its LoRA: in fine-tuning beside the weight, in ApiQ as part of it.
void add_lora(std::vector<Case>& cases, const std::string& group, std::uint64_t tokens, std::uint64_t in,
              std::uint64_t out, std::uint64_t rank) {
  add(cases, {group, 't', tokens, rank, in});         // t = x A^T
  add(cases, {group, 't', tokens, out, rank, 1.0f});  // y += t B^T
  add(cases, {group, 'w', out, rank, tokens});        // dB = dy^T t
  add(cases, {group, 'n', tokens, rank, out});        // dt = dy B
  add(cases, {group, 'w', rank, in, tokens});         // dA = dt^T x
  add(cases, {group, 'n', out, in, rank, 1.0f});      // w += B A
  add(cases, {group, 't', out, rank, in});            // dB = dw A^T
  add(cases, {group, 'w', rank, in, out});            // dA = B^T dw
}

std::vector<Case> all_cases() {
  std::vector<Case> cases;
  for (const char form : {'t', 'n', 'w'}) {
    cases.push_back({"square", form, 1024, 1024, 1024});
    cases.push_back({"tokens", form, 2048, 256, 768});
  }
  const std::pair<std::uint64_t, std::uint64_t> demo[] = {{256, 256}, {256, 128}, {256, 768}, {768, 256}};
  for (const auto& [in, out] : demo) add_linear(cases, "novels-6m", 256, in, out);
  for (const std::uint64_t rank : {16, 64})
    for (const auto& [in, out] : demo) add_lora(cases, "novels-6m", 256, in, out, rank);
  for (const std::uint64_t tokens : {1, 2, 4, 8}) cases.push_back({"few rows", 't', tokens, 4096, 4096});
  for (const std::uint64_t tokens : {1, 8})
    cases.push_back({"few rows", 't', tokens, 4096, 4096, 0, DType::f16});
  for (const std::uint64_t out : {4096, 11008}) add_linear(cases, "7B", 128, 4096, out);
  add_lora(cases, "7B", 128, 4096, 11008, 64);
  add_linear(cases, "7B", 512, 4096, 4096);
  cases.push_back({"engine", 't', 512, 512, 512});
  cases.push_back({"engine", 't', 512, 512, 512, 0, DType::f32, "clblast"});
  return cases;
}

void openblas(const Case& x, const float* a, const float* b, float* c) {
  const auto M = static_cast<blasint>(x.M), N = static_cast<blasint>(x.N), K = static_cast<blasint>(x.K);
  cblas_sgemm(CblasRowMajor, x.form == 'w' ? CblasTrans : CblasNoTrans,
              x.form == 't' ? CblasTrans : CblasNoTrans, M, N, K, 1.0f, a, x.form == 'w' ? M : K, b,
              x.form == 't' ? K : N, x.beta, c, N);
}

/// f16 rounds `values`, so that the rival multiplies the same numbers.
runtime::DeviceTensor upload(runtime::Queue& queue, std::vector<float>& values, const Shape& shape,
                             DType dtype = DType::f32) {
  runtime::DeviceTensor tensor(queue.device(), dtype, shape, "benchmark operand");
  if (dtype == DType::f16) {
    std::vector<std::uint16_t> halves(values.size());
    for (std::size_t i = 0; i < values.size(); ++i)
      halves[i] = float_to_half(values[i]), values[i] = half_to_float(halves[i]);
    queue.write(tensor, halves.data());
  } else {
    queue.write(tensor, values.data());
  }
  return tensor;
}

/// A benchmark of a wrong result is worthless: both ran once from c = 0, so they must agree up to rounding.
void require_agreement(const Case& x, const std::vector<float>& ours, const std::vector<float>& theirs) {
  const double tolerance =
      2.0 * static_cast<double>(x.K + 3) * 0x1p-24 * static_cast<double>(x.K);  // both sides: K eps sum |a b|
  for (std::size_t i = 0; i < ours.size(); ++i)
    if (!(std::abs(ours[i] - theirs[i]) <= tolerance)) {
      std::fprintf(stderr, "%s: element %zu differs from OpenBLAS: %g and %g\n", x.text().c_str(), i, ours[i],
                   theirs[i]);
      std::exit(1);
    }
}

/// With the kernels it chose: an OpenBLAS older than the processor may fall back to slow ones
/// (OPENBLAS_CORETYPE chooses others).
std::string rival_name() {
  return std::string("OpenBLAS sgemm, 2 threads, kernels for ") + openblas_get_corename();
}

perf::Result measure(runtime::Queue& queue, const Case& x, int rounds) {
  setenv("APIQ_GEMM", x.engine, 1);
  queue.device().reread_environment();
  std::vector<float> a = perf::random_floats(x.M * x.K, 1), b = perf::random_floats(x.N * x.K, 2);
  std::vector<float> c(x.M * x.N);
  const auto da = upload(queue, a, x.form == 'w' ? Shape{x.K, x.M} : Shape{x.M, x.K}),
             db = upload(queue, b, x.form == 't' ? Shape{x.N, x.K} : Shape{x.K, x.N}, x.b);
  const auto dc = upload(queue, c, {x.M, x.N});
  decltype(&ops::matmul_nt) op = ops::matmul_tn;
  if (x.form == 't') op = ops::matmul_nt;
  else if (x.form == 'n') op = ops::matmul_nn;
  const Contender ours{[&](int count) {
    for (int i = 0; i < count; ++i) op(queue, runtime::Rounding::none, da, db, dc, 1.0f, x.beta);
    queue.finish();
  }};
  const Contender rival{[&](int count) {
    for (int i = 0; i < count; ++i) openblas(x, a.data(), b.data(), c.data());
  }};
  ours.run(1);
  rival.run(1);
  require_agreement(x, runtime::read_floats(queue, dc), c);
  const auto timings = perf::interleave({ours, rival}, rounds);
  const double m = static_cast<double>(x.M), n = static_cast<double>(x.N), k = static_cast<double>(x.K);
  const double bytes =
      4 * (m * k + m * n * (x.beta != 0 ? 2 : 1)) + static_cast<double>(size_of(x.b)) * n * k;
  return {"gemm", x.text(),      timings[0],
          bytes,  2 * m * n * k, x.streams() ? "read bandwidth" : "fp32 matmul rate",
          0,      rival_name(),  timings[1]};
}

}  // namespace

int main(int argc, char** argv) {
  const auto options = perf::parse_options(argc, argv);
  openblas_set_num_threads(2);
  const auto device = perf::open_device();
  std::vector<perf::Result> results;
  for (const auto& x : all_cases())
    if (x.text().find(options.filter) != std::string::npos)
      results.push_back(measure(device->queue(), x, options.rounds));
  double limit = 0;  // the best the machine's BLAS reached in this run, in GFLOP/s
  for (const auto& result : results) limit = std::max(limit, result.flops / 1e6 / result.rivals.min);
  const bool streams = std::any_of(results.begin(), results.end(),
                                   [](const auto& result) { return result.limit_name == "read bandwidth"; });
  const double bandwidth = streams ? perf::read_gb_per_second(device->queue()) : 0;
  for (auto& result : results) {
    result.limit = result.limit_name == "read bandwidth" ? bandwidth : limit;
    perf::print(result, device->info());
  }
  return 0;
}
