// What Queue::launch passes for a pointer that a kernel does not use. Some drivers refuse null buffers, so
// this program takes the place of the loader's clSetKernelArg, counts them and passes everything on.
#include <dlfcn.h>
#include <gtest/gtest.h>

#include "cases/device_fixture.hpp"
#include "codec/codecs.hpp"
#include "ops/nn.hpp"
#include "ops/packed_buffers.hpp"
#include "ops/qmatmul.hpp"
#include "runtime/opencl.hpp"

namespace {
int null_buffers = 0;
}

extern "C" cl_int clSetKernelArg(cl_kernel kernel, cl_uint index, std::size_t size, const void* value) {
  static const auto next = reinterpret_cast<decltype(&clSetKernelArg)>(::dlsym(RTLD_NEXT, "clSetKernelArg"));
  if (size == sizeof(cl_mem) && (value == nullptr || *static_cast<const cl_mem*>(value) == nullptr))
    ++null_buffers;
  return next(kernel, index, size, value);
}

namespace apiq {
namespace {

using namespace testing;

/// Without lse, as in inference.
TEST(NullArguments, AttentionWithoutLse) {
  constexpr std::uint64_t kTokens = 4, kHeads = 2, kDim = 32;
  const auto values = random_floats(kTokens * kHeads * kDim, 1);
  const auto q = upload(values, {kTokens, kHeads, kDim}), k = upload(values, {kTokens, kHeads, kDim}),
             v = upload(values, {kTokens, kHeads, kDim}), out = device_tensor({kTokens, kHeads, kDim});
  null_buffers = 0;
  ops::attention_fwd(shared_queue(), q, k, v, out);
  shared_queue().finish();
  EXPECT_EQ(null_buffers, 0);
}

/// Rank 0: no LoRA, for the mat-vec, the tiles and the backward pass.
TEST(NullArguments, ProductsWithoutLora) {
  const PackedLayout layout{.out_features = 32, .in_features = 64, .bits = 2, .group_size = 32};
  const ops::PackedBuffers buffers(shared_queue(),
                                   kAffine.encode(layout, random_floats(std::size_t{32} * 64, 2)));
  const ops::PackedWeightView w = buffers.view();
  const auto x = upload(random_floats(5 * 64, 1), {5, 64}), y = device_tensor({5, 32});
  null_buffers = 0;
  ops::qmatmul(shared_queue(), runtime::Rounding::none, w, {}, x.view().rows(0, 1), y.view().rows(0, 1));
  ops::qmatmul(shared_queue(), runtime::Rounding::none, w, {}, x, y);
  ops::qmatmul_bwd(shared_queue(), runtime::Rounding::none, w, {}, y, x);
  shared_queue().finish();
  EXPECT_EQ(null_buffers, 0);
}

}  // namespace
}  // namespace apiq
