#include "ops/checks.hpp"

#include <gtest/gtest.h>

namespace apiq::ops {
namespace {

constexpr std::uint64_t kTop = 0xffffffffu;

runtime::TensorView view(std::uint64_t offset, const Shape& shape, DType dtype = DType::f32) {
  return {nullptr, offset, dtype, shape};
}

TEST(Checks, AViewMustEndWhereKernelsReach) {
  EXPECT_EQ(offset32("op", "x", view(kTop - 6, {2, 3})), kTop - 6);
  EXPECT_EQ(offset32("op", "x", view(kTop, {0, 3})), kTop);
  EXPECT_THROW(offset32("op", "x", view(kTop - 5, {2, 3})), Unsupported);
  EXPECT_THROW(offset32("op", "x", view(kTop + 1, {0})), Unsupported);
  EXPECT_THROW(offset32("op", "x", view(~std::uint64_t{0}, {2})), Unsupported) << "the sum must not wrap";
  EXPECT_THROW(offset32("op", "x", view(0, {std::uint64_t{1} << 32})), Unsupported);
}

TEST(Checks, CountsFitInThirtyTwoBits) {
  EXPECT_EQ(count32("op", "n", kTop), kTop);
  EXPECT_THROW(count32("op", "n", kTop + 1), Unsupported);
}

TEST(Checks, TypesAndShapesAreNamed) {
  EXPECT_THROW(check_half("op", "x", view(0, {2}, DType::u8)), ShapeError);
  EXPECT_THROW(check_rank("op", "x", view(0, {2}), 2), ShapeError);
  EXPECT_THROW(check_elements("op", "x", view(0, {2}), DType::f16, 2), ShapeError);
  try {
    check_tensor("rmsnorm_fwd", "weight", view(0, {2, 3}), DType::f32, {3});
    FAIL();
  } catch (const ShapeError& error) {
    EXPECT_STREQ(error.what(), "[rmsnorm_fwd] weight: expected f32 [3], got f32 [2, 3]");
  }
}

}  // namespace
}  // namespace apiq::ops
