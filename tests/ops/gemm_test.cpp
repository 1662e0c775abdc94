// The three dense products against fp64 loops: every small shape with ragged edges, both storage types, both
// presets, both engines.
#include "ops/gemm.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <limits>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/reference/gemm.hpp"
#include "support/scoped_variable.hpp"

namespace apiq {
namespace {

using namespace testing;
using runtime::DeviceTensor;
using runtime::Queue;

using test::ScopedVariable;

/// APIQ_GEMM for as long as this lives, known to the shared device.
class ChosenEngine {
 public:
  explicit ChosenEngine(const char* name) : variable_("APIQ_GEMM", name) {
    shared_device().reread_environment();
  }

 private:
  struct Reread {
    ~Reread() { shared_device().reread_environment(); }
  } at_the_end_;  // goes after the variable
  ScopedVariable variable_;
};

/// The test device opened again with the GPU preset's tunables: the same kernels, other tiles, work-groups
/// and local memory.
Queue& gpu_preset_queue() {
  static const std::unique_ptr<runtime::Device> device = [] {
    const ScopedVariable preset("APIQ_PRESET", "gpu");
    DeviceOptions options;
    if (const char* selector = std::getenv("APIQ_DEVICE")) options.selector = selector;
    return runtime::Device::open(options);
  }();
  return device->queue();
}

enum class Form { nt, nn, tn };

struct Case {
  Form form;
  std::size_t M, N, K;
  float alpha = 1, beta = 0;
  DType a = DType::f32, b = DType::f32, c = DType::f32;
};

std::string text(const Case& x) {
  const char* names[] = {"nt", "nn", "tn"};
  return std::string(names[static_cast<int>(x.form)]) + " M " + std::to_string(x.M) + " N " +
         std::to_string(x.N) + " K " + std::to_string(x.K) + " alpha " + std::to_string(x.alpha) + " beta " +
         std::to_string(x.beta) + " " + std::string(name_of(x.a)) + " " + std::string(name_of(x.b)) + " " +
         std::string(name_of(x.c));
}

Shape a_shape(const Case& x) { return x.form == Form::tn ? Shape{x.K, x.M} : Shape{x.M, x.K}; }
Shape b_shape(const Case& x) { return x.form == Form::nt ? Shape{x.N, x.K} : Shape{x.K, x.N}; }

/// A tensor on the queue's device; the values as the device holds them come back through `values`.
DeviceTensor put(Queue& queue, std::vector<float>& values, const Shape& shape, DType dtype) {
  DeviceTensor tensor(queue.device(), dtype, shape, "test tensor");
  if (dtype == DType::f16) {
    std::vector<std::uint16_t> raw(values.size());
    for (std::size_t i = 0; i < raw.size(); ++i) raw[i] = float_to_half(values[i]);
    values = rounded_to_half(values);
    queue.write(tensor, raw.data());
  } else {
    queue.write(tensor, values.data());
  }
  return tensor;
}

void enqueue(Queue& queue, const Case& x, const runtime::TensorView& a, const runtime::TensorView& b,
             const runtime::TensorView& c) {
  decltype(&ops::matmul_nt) op = ops::matmul_tn;
  if (x.form == Form::nt) op = ops::matmul_nt;
  else if (x.form == Form::nn) op = ops::matmul_nn;
  op(queue, runtime::Rounding::none, a, b, c, x.alpha, x.beta);
}

std::vector<float> magnitudes(std::vector<float> values) {
  for (float& value : values) value = std::abs(value);
  return values;
}

/// Runs the case and compares with fp64. Each of the K fma rounds a partial sum that is at most sum |a b|: K
/// * eps * that, plus three roundings for alpha, beta and their sum; a half result is rounded once more
/// (2^-11 relative, 2^-25 among subnormals).
std::vector<float> run_and_check(Queue& queue, const Case& x) {
  std::vector<float> a = random_floats(x.M * x.K, 1), b = random_floats(x.N * x.K, 2),
                     c = random_floats(x.M * x.N, 3);
  const DeviceTensor da = put(queue, a, a_shape(x), x.a), db = put(queue, b, b_shape(x), x.b),
                     dc = put(queue, c, {x.M, x.N}, x.c);
  enqueue(queue, x, da, db, dc);
  const std::vector<float> got = runtime::read_floats(queue, dc);
  const auto reference = x.form == Form::nt   ? ops::reference::matmul_nt
                         : x.form == Form::nn ? ops::reference::matmul_nn
                                              : ops::reference::matmul_tn;
  const std::vector<double> want = reference(a, b, c, x.M, x.N, x.K, x.alpha, x.beta);
  const std::vector<double> scale = reference(magnitudes(a), magnitudes(b), magnitudes(c), x.M, x.N, x.K,
                                              std::abs(x.alpha), std::abs(x.beta));
  for (std::size_t i = 0; i < want.size(); ++i) {
    double tolerance = static_cast<double>(x.K + 3) * 0x1p-24 * scale[i];
    if (x.c == DType::f16) tolerance += 0x1p-11 * std::abs(want[i]) + 0x1p-25;
    if (!(std::abs(got[i] - want[i]) <= tolerance)) {
      ADD_FAILURE() << text(x) << ": element [" << i / x.N << ", " << i % x.N << "] expected " << want[i]
                    << ", found " << got[i];
      break;
    }
  }
  return got;
}

/// Around every tile edge of either preset: below, at and past a vector, a register tile and a work-group's
/// tile.
void sweep(Queue& queue) {
  for (const Form form : {Form::nt, Form::nn, Form::tn})
    for (const std::size_t M : {1, 3, 8, 9, 13, 70})
      for (const std::size_t N : {1, 15, 16, 33, 70})
        for (const std::size_t K : {1, 5, 16, 37}) run_and_check(queue, {form, M, N, K});
}

TEST(Gemm, EveryFormAndRaggedShape) { sweep(shared_queue()); }
TEST(Gemm, EveryFormAndRaggedShapeWithTheGpuPreset) { sweep(gpu_preset_queue()); }

/// The shapes of LoRA: few steps of k, few rows or few columns, added to what is there.
TEST(Gemm, ThinProducts) {
  run_and_check(shared_queue(), {Form::nt, 130, 100, 16, 0.5f, 1.0f});
  run_and_check(shared_queue(), {Form::nn, 130, 100, 3, 0.5f, 1.0f});
  run_and_check(shared_queue(), {Form::tn, 16, 100, 150, 2.0f, 1.0f});
  run_and_check(shared_queue(), {Form::tn, 300, 16, 150, 2.0f, 0.5f});
  run_and_check(shared_queue(), {Form::nt, 300, 16, 150});
  run_and_check(gpu_preset_queue(), {Form::nt, 130, 260, 16, 0.5f, 1.0f});
  run_and_check(gpu_preset_queue(), {Form::tn, 16, 100, 150, 2.0f, 1.0f});
}

TEST(Gemm, LongSumsPassSeveralChunksOfK) {
  for (const Form form : {Form::nt, Form::nn, Form::tn})
    for (const std::size_t M : {4, 20}) {
      run_and_check(shared_queue(), {form, M, 40, 301, 0.5f, 1.0f});
      run_and_check(gpu_preset_queue(), {form, M, 40, 301, 0.5f, 1.0f});
    }
}

Case stored_as(Case x, int bits) {
  if (bits & 1) x.a = DType::f16;
  if (bits & 2) x.b = DType::f16;
  if (bits & 4) x.c = DType::f16;
  return x;
}

/// The path in blocks decides at run time, so every combination; the others compile each, so every loader and
/// store once.
TEST(Gemm, EveryStorageType) {
  for (const Form form : {Form::nt, Form::nn, Form::tn})
    for (int bits = 1; bits < 8; ++bits)
      run_and_check(shared_queue(), stored_as({form, 21, 35, 19, 1.5f, 0.25f}, bits));
  for (Queue* queue : {&shared_queue(), &gpu_preset_queue()}) {
    run_and_check(*queue, stored_as({Form::nt, 5, 35, 39, 1.5f, 0.25f}, 7));
    run_and_check(*queue, stored_as({Form::nt, 20, 35, 24, 1.5f, 0.25f}, 7));
    run_and_check(*queue, stored_as({Form::tn, 5, 35, 19, 1.5f, 0.25f}, 3));
  }
}

TEST(Gemm, BetaZeroDoesNotReadTheOldResult) {
  for (const std::size_t M : {3, 30}) {
    std::vector<float> a(M * 4, 1.0f), b(20 * 4, 1.0f), c(M * 20, std::numeric_limits<float>::quiet_NaN());
    Queue& queue = shared_queue();
    const DeviceTensor da = put(queue, a, {M, 4}, DType::f32), db = put(queue, b, {20, 4}, DType::f32),
                       dc = put(queue, c, {M, 20}, DType::f32);
    ops::matmul_nt(queue, runtime::Rounding::none, da, db, dc);
    for (const float value : download(dc)) ASSERT_EQ(value, 4.0f);
  }
}

TEST(Gemm, EmptySumIsBetaTimesC) {
  Queue& queue = shared_queue();
  const DeviceTensor some = upload({1, 2, 3, 4, 5, 6}, {2, 3});
  const runtime::TensorView left{some.view().memory, 0, DType::f32, {2, 0}},
      right{some.view().memory, 0, DType::f32, {3, 0}};
  const DeviceTensor c = upload({1, 2, 3, 4, 5, 6}, {2, 3});
  ops::matmul_nt(queue, runtime::Rounding::none, left, right, c, 1.0f, 0.5f);
  EXPECT_EQ(download(c), (std::vector<float>{0.5f, 1, 1.5f, 2, 2.5f, 3}));
}

/// Views at odd offsets of one buffer; what lies around the result must stay as it was.
TEST(Gemm, ViewsInsideALargerBuffer) {
  for (const std::size_t M : {2, 13}) {
    const std::size_t N = 17, K = 9, a_at = 3, b_at = a_at + M * K + 5, c_at = b_at + N * K + 7,
                      total = c_at + M * N + 11;
    const std::vector<float> values = random_floats(total, 7);
    const DeviceTensor all = upload(values, {total});
    const auto view = [&](std::size_t at, const Shape& shape) {
      return runtime::TensorView{all.view().memory, at, DType::f32, shape};
    };
    ops::matmul_nt(shared_queue(), runtime::Rounding::none, view(a_at, {M, K}), view(b_at, {N, K}),
                   view(c_at, {M, N}));
    const std::vector<float> got = download(all);
    const std::span<const float> in(values);
    const auto want =
        ops::reference::matmul_nt(in.subspan(a_at, M * K), in.subspan(b_at, N * K), {}, M, N, K);
    for (std::size_t i = 0; i < total; ++i) {
      if (i < c_at || i >= c_at + M * N) ASSERT_EQ(got[i], values[i]) << i;
      else ASSERT_NEAR(got[i], want[i - c_at], 1e-5) << i;  // K = 9 terms below 1: K * K * 2^-24 = 5e-6
    }
  }
}

/// A row's result does not depend on how many rows are computed with it, so neither on the path taken nor on
/// how a caller cuts its tokens into batches; the same holds for columns and for the preset. The one
/// exception is the mat-vec of GPUs (gemm_dot.cl), form nt with at most MAX_ROWS rows.
TEST(Gemm, SumsDoNotDependOnTheShapeAroundThem) {
  const std::size_t few =
      3 + static_cast<std::size_t>(runtime::value_of(shared_queue().tuned("gemm_dot"), "MAX_ROWS"));
  for (const Form form : {Form::nt, Form::nn}) {
    const std::vector<float> large = run_and_check(shared_queue(), {form, 50, 33, 200});
    const std::vector<float> small =
        run_and_check(shared_queue(), {form, few, 33, 200});  // the same first rows of a
    for (std::size_t i = 0; i < small.size(); ++i) ASSERT_EQ(small[i], large[i]) << i;
    EXPECT_EQ(run_and_check(gpu_preset_queue(), {form, 50, 33, 200}), large);
  }
}

/// Several blocks of rows, stretches of them and panels of columns, none of them full; a is half or f32, so
/// copied or read where it lies.
TEST(Gemm, LargeOperandsGoThroughInParts) {
  for (const bool large_a : {true, false}) {
    const std::size_t M = large_a ? 1100 : 16, N = large_a ? 16 : 1100, K = 4100;
    std::vector<float> a(M * K), b(N * K);
    for (std::size_t i = 0; i < a.size(); ++i)
      a[i] = static_cast<float>(i % 7) - 3;  // small integers: the sums are exact
    for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<float>(i % 5) - 2;
    Queue& queue = shared_queue();
    const DeviceTensor da = put(queue, a, {M, K}, large_a ? DType::f32 : DType::f16),
                       db = put(queue, b, {N, K}, DType::f32), dc(queue.device(), DType::f32, {M, N}, "c");
    ops::matmul_nt(queue, runtime::Rounding::none, da, db, dc);
    const std::vector<float> got = download(dc);
    const auto want = ops::reference::matmul_nt(a, b, {}, M, N, K);
    for (std::size_t i = 0; i < want.size(); ++i) ASSERT_EQ(got[i], want[i]) << i;
  }
}

/// Columns [begin, begin + count) of `values` [rows, columns].
std::vector<float> copied_columns(const std::vector<float>& values, std::size_t columns, std::size_t begin,
                                  std::size_t count) {
  std::vector<float> out;
  for (std::size_t first = begin; first < values.size(); first += columns)
    out.insert(out.end(), &values[first], &values[first] + count);
  return out;
}

/// Both paths of the CPU preset (and a packed or read where it lies), the GPU preset, and columns that begin
/// and end off every vector; f16 columns too.
TEST(Gemm, ColumnsOfAWiderMatrixGiveTheBitsOfACopy) {
  constexpr std::size_t K = 37, all = 83;
  for (const std::size_t N : {20, 45})
    for (Queue* queue : {&shared_queue(), &gpu_preset_queue()})
      for (const DType dtype : {DType::f32, DType::f16})
        for (const auto& [begin, count] : {std::pair{0, 83}, {5, 3}, {7, 70}, {82, 1}, {16, 32}, {30, 0}}) {
          SCOPED_TRACE(std::to_string(begin) + " + " + std::to_string(count) + " " +
                       std::string(name_of(dtype)) + ", N " + std::to_string(N));
          std::vector<float> a = random_floats(K * all, 1), b = random_floats(K * N, 2),
                             c = random_floats(all * N, 3);
          const Shape out{static_cast<std::uint64_t>(count), N};
          std::vector<float> part = copied_columns(a, all, begin, count),
                             c_part(c.begin(), c.begin() + count * N);
          const DeviceTensor wide = put(*queue, a, {K, all}, dtype),
                             dense = put(*queue, part, {K, static_cast<std::uint64_t>(count)}, dtype);
          const DeviceTensor db = put(*queue, b, {K, N}, DType::f32),
                             got = put(*queue, c_part, out, DType::f32),
                             want = put(*queue, c_part, out, DType::f32);
          ops::matmul_tn(
              *queue, runtime::Rounding::none,
              ops::Columns{wide, static_cast<std::uint64_t>(begin), static_cast<std::uint64_t>(count)}, db,
              got, 0.5f, 2.0f);
          ops::matmul_tn(*queue, runtime::Rounding::none, dense, db, want, 0.5f, 2.0f);
          EXPECT_EQ(runtime::read_floats(*queue, got), runtime::read_floats(*queue, want));
        }
}

TEST(Gemm, ColumnsMustLieInsideTheirMatrix) {
  const DeviceTensor a = device_tensor({3, 8}), b = device_tensor({3, 4}), c = device_tensor({2, 4});
  EXPECT_THROW(ops::matmul_tn(shared_queue(), runtime::Rounding::none, ops::Columns{a, 7, 2}, b, c),
               ShapeError);
  EXPECT_THROW(ops::matmul_tn(shared_queue(), runtime::Rounding::none, ops::Columns{a, 9, 0}, b, c),
               ShapeError);
  EXPECT_THROW(
      ops::matmul_tn(shared_queue(), runtime::Rounding::none, ops::Columns{a, ~std::uint64_t{0}, 2}, b, c),
      ShapeError);
  EXPECT_THROW(ops::matmul_tn(shared_queue(), runtime::Rounding::none, ops::Columns{a, 0, 3}, b, c),
               ShapeError)
      << "c has two rows";
}

TEST(Gemm, ClblastAgreesWithOurKernel) {
  const ChosenEngine engine("clblast");
  ASSERT_EQ(ops::gemm_engine(shared_queue()), "clblast");
  run_and_check(shared_queue(), {Form::tn, 24, 40, 33, 0.5f, 2.0f});

  constexpr std::size_t K = 33, all = 50, begin = 11, count = 24, N = 40;
  const std::vector<float> a = random_floats(K * all, 1), b = random_floats(K * N, 2),
                           part = copied_columns(a, all, begin, count);
  const DeviceTensor da = upload(a, {K, all}), db = upload(b, {K, N}), dc = device_tensor({count, N});
  ops::matmul_tn(shared_queue(), runtime::Rounding::none, ops::Columns{da, begin, count}, db, dc);
  const std::vector<float> got = download(dc);
  const std::vector<double> want = ops::reference::matmul_tn(part, b, {}, count, N, K);
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], K * K * 0x1p-24) << i;  // K terms below 1, K roundings
}

TEST(Gemm, RefusesWhatDoesNotFit) {
  Queue& queue = shared_queue();
  const DeviceTensor a = device_tensor({2, 3}), b = device_tensor({4, 3}), c = device_tensor({2, 4}),
                     wrong = device_tensor({4, 2});
  EXPECT_THROW(ops::matmul_nt(queue, runtime::Rounding::none, a, b, wrong), ShapeError);
  EXPECT_THROW(ops::matmul_nn(queue, runtime::Rounding::none, a, b, c), ShapeError);
  EXPECT_THROW(ops::matmul_tn(queue, runtime::Rounding::none, a, b, c), ShapeError);
  EXPECT_THROW(ops::matmul_nt(queue, runtime::Rounding::none, device_tensor({6}), b, c), ShapeError);
  EXPECT_THROW(ops::matmul_nt(queue, runtime::Rounding::none, device_tensor({2, 3}, DType::u32), b, c),
               ShapeError);
  const ChosenEngine engine("fast");
  EXPECT_THROW(ops::matmul_nt(queue, runtime::Rounding::none, a, b, c), InvalidArgument);
}

}  // namespace
}  // namespace apiq
