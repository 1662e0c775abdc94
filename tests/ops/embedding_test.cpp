// embedding_fwd copies rows exactly, in all four combinations of storage types, and marks ids outside the
// table.
#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "cases/presets.hpp"
#include "ops/nn.hpp"

namespace apiq {
namespace {

using Embedding = testing::VariantTest;

TEST_P(Embedding, CopiesRows) {
  const std::size_t vocab = 11;
  const std::vector<std::uint32_t> ids{3, 0, 10, 3, 7};
  for (const DType table_type : {DType::f32, DType::f16}) {
    for (const std::size_t hidden : {1, 3, 4, 15, 16, 17, 64, 300}) {
      auto table = testing::random_floats(vocab * hidden, 1);
      if (table_type == DType::f16) table = testing::rounded_to_half(table);
      const auto table_dev = on().upload(table, {vocab, hidden}, table_type),
                 ids_dev = on().upload(ids, {ids.size()}), x = on().tensor({ids.size(), hidden}, dtype());
      ops::embedding_fwd(on().queue(), table_dev, ids_dev, x);
      std::vector<float> expected;
      for (const auto id : ids)
        expected.insert(expected.end(), table.begin() + static_cast<long>(id * hidden),
                        table.begin() + static_cast<long>((id + 1) * hidden));
      EXPECT_EQ(on().download(x), dtype() == DType::f16 ? testing::rounded_to_half(expected) : expected)
          << "hidden " << hidden;
    }
  }
}

TEST_P(Embedding, IdsOutsideTheTableGiveNan) {
  const auto table = on().upload(std::vector<float>(2 * 20, 1.0f), {2, 20}, dtype());
  const auto x = on().tensor({3, 20}, dtype());
  ops::embedding_fwd(on().queue(), table, on().upload(std::vector<std::uint32_t>{1, 2, 0xffffffffu}, {3}), x);
  const auto got = on().download(x);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_EQ(std::isnan(got[i]), i >= 20) << i;
}

TEST_P(Embedding, RefusesWrongShapes) {
  const auto table = on().tensor({2, 8}, dtype()), x = on().tensor({3, 9}, dtype()),
             ids = on().tensor({3}, DType::u32);
  EXPECT_THROW(ops::embedding_fwd(on().queue(), table, ids, x), ShapeError);
}

INSTANTIATE_TEST_SUITE_P(Nn, Embedding, testing::all_variants(), testing::variant_name);

}  // namespace
}  // namespace apiq
