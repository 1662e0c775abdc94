// The closed-form LoRA start against Eigen's singular value decomposition and Cholesky factor, in fp64.
#include "quant/low_rank.hpp"

#include <gtest/gtest.h>

#include <Eigen/Cholesky>
#include <Eigen/SVD>
#include <cmath>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"

namespace apiq {
namespace {

using quant::LowRank;
using testing::random_floats;
using testing::shared_queue;
using testing::upload;
using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

Matrix matrix(const std::vector<float>& values, std::uint64_t rows, std::uint64_t columns) {
  Matrix out(rows, columns);
  for (std::uint64_t i = 0; i < values.size(); ++i) out.data()[i] = values[i];
  return out;
}

std::vector<float> floats(const Matrix& m) {
  std::vector<float> out;
  for (Eigen::Index i = 0; i < m.size(); ++i) out.push_back(static_cast<float>(m.data()[i]));
  return out;
}

enum class Moments { identity, diagonal, full };

struct Problem {
  std::uint64_t out, in;
  std::uint32_t rank;
  Moments moments = Moments::full;
  std::uint64_t error_rank = 0;  // 0: full
  float scaling = 0.25f;
};

std::string text_of(const Problem& p) {
  const char* names[] = {"identity", "diagonal", "full"};
  return std::to_string(p.out) + " x " + std::to_string(p.in) + ", rank " + std::to_string(p.rank) +
         ", moments " + names[static_cast<int>(p.moments)] +
         (p.error_rank ? ", error of rank " + std::to_string(p.error_rank) : "");
}

/// A problem with its factor R of the moments, all rounded to what the device holds.
struct Data {
  explicit Data(const Problem& problem) : p(problem), error(p.out, p.in), root(Matrix::Identity(p.in, p.in)) {
    if (p.error_rank == 0) {
      error = matrix(random_floats(p.out * p.in, 1, -0.1f, 0.1f), p.out, p.in);
    } else {
      const Matrix product = matrix(random_floats(p.out * p.error_rank, 1), p.out, p.error_rank) *
                             matrix(random_floats(p.error_rank * p.in, 2), p.error_rank, p.in);
      error = matrix(floats(product), p.out, p.in);
    }
    if (p.moments == Moments::diagonal) {
      moments = random_floats(p.in, 3, 0.05f, 3.0f);
      for (std::uint64_t i = 0; i < p.in; ++i) root(i, i) = std::sqrt(static_cast<double>(moments[i]));
    } else if (p.moments == Moments::full) {
      // Inputs with channels of very different size, as a transformer's have; damped.
      Matrix x = matrix(random_floats(2 * p.in * p.in, 4), 2 * p.in, p.in);
      for (std::uint64_t i = 0; i < p.in; ++i)
        x.col(i) *= i % 17 == 0 ? 10.0 : 1.0 / (1.0 + static_cast<double>(i) / 8);
      Matrix h = x.transpose() * x / (2.0 * static_cast<double>(p.in));
      h += 0.01 * h.diagonal().mean() * Matrix::Identity(p.in, p.in);
      moments = floats(h);
      root = Eigen::LLT<Matrix>(matrix(moments, p.in, p.in)).matrixL();
    }
  }

  LowRank correct(std::uint64_t seed = 7) const {
    const auto e = upload(floats(error), {p.out, p.in});
    if (p.moments == Moments::identity)
      return quant::low_rank_correction(shared_queue(), e, {}, p.rank, p.scaling, seed);
    const auto h = upload(moments, p.moments == Moments::diagonal ? Shape{p.in} : Shape{p.in, p.in});
    return quant::low_rank_correction(shared_queue(), e, h, p.rank, p.scaling, seed);
  }

  double remaining(const LowRank& pair) const {
    const Matrix product = p.scaling * (matrix(pair.B, p.out, p.rank) * matrix(pair.A, p.rank, p.in));
    return ((error - product) * root).squaredNorm();
  }

  Problem p;
  Matrix error, root;
  std::vector<float> moments;
};

/// What remains of ||E R||^2 is no more than the SVD leaves, up to `share` of what it captures and f32
/// rounding of the whole.
void expect_optimal(const Problem& problem, double share) {
  SCOPED_TRACE(text_of(problem));
  const Data data(problem);
  const LowRank pair = data.correct();
  const Eigen::VectorXd squares =
      Eigen::BDCSVD<Eigen::MatrixXd>(data.error * data.root).singularValues().array().square();
  const double captured = squares.head(problem.rank).sum(), total = squares.sum(), best = total - captured,
               got = data.remaining(pair);
  // Rounding: B A is good to a few units of E's entries, 1e-6 of its norm, which enters squared and times the
  // remainder.
  EXPECT_LE(got, best + share * captured + 2e-6 * std::sqrt(best * total) + 1e-11 * total);
  EXPECT_GE(got, best * (1 - 1e-9) - 1e-11 * total) << "better than the optimum: the oracle is wrong";
  const double a = matrix(pair.A, problem.rank, problem.in).norm(),
               b = matrix(pair.B, problem.out, problem.rank).norm();
  EXPECT_NEAR(a, b, 1e-5 * a) << "equal norms";
}

constexpr Moments kAll[] = {Moments::identity, Moments::diagonal, Moments::full};

/// The basis is as large as the space.
TEST(LowRank, IsExactWhereTheBasisIsTheSpace) {
  for (const Moments moments : kAll)
    for (const auto& [out, in, rank] :
         {std::array<std::uint64_t, 3>{40, 24, 4}, {24, 40, 4}, {17, 33, 1}, {64, 64, 16}, {72, 90, 1}})
      expect_optimal({out, in, static_cast<std::uint32_t>(rank), moments}, 1e-6);
}

TEST(LowRank, IsNearlyOptimalWhereItIsNot) {
  for (const Moments moments : kAll)
    for (const auto& [out, in, rank] :
         {std::array<std::uint64_t, 3>{500, 90, 1}, {500, 400, 16}, {410, 440, 8}})
      expect_optimal({out, in, static_cast<std::uint32_t>(rank), moments}, 1e-3);
}

TEST(LowRank, FullRankRemovesTheWholeError) {
  for (const Moments moments : kAll)
    for (const auto& [out, in] : {std::pair{12, 20}, {20, 12}, {440, 6}}) {
      const Problem problem{static_cast<std::uint64_t>(out), static_cast<std::uint64_t>(in),
                            static_cast<std::uint32_t>(std::min(out, in)), moments};
      SCOPED_TRACE(text_of(problem));
      const Data data(problem);
      // Entries of B A are sums of rank products, each and every sum rounded to 2^-24: far below 1e-5 of E's
      // norm.
      EXPECT_LE(data.remaining(data.correct()), 1e-10 * (data.error * data.root).squaredNorm());
    }
}

TEST(LowRank, ErrorOfLowRankIsRemovedWithoutNoise) {
  for (const Moments moments : kAll)
    for (const auto& [out, in] : {std::pair{60, 40}, {450, 120}}) {
      const Problem problem{static_cast<std::uint64_t>(out), static_cast<std::uint64_t>(in), 8, moments, 3};
      SCOPED_TRACE(text_of(problem));
      const Data data(problem);
      const LowRank pair = data.correct();
      EXPECT_LE(data.remaining(pair), 1e-9 * (data.error * data.root).squaredNorm());
      for (const float x : pair.A) ASSERT_TRUE(std::isfinite(x));
      for (const float x : pair.B) ASSERT_TRUE(std::isfinite(x));
      // Pairs past the error's rank stay small: none is larger than the three that matter.
      const Matrix A = matrix(pair.A, 8, problem.in);
      EXPECT_LE(A.bottomRows(5).norm(), A.topRows(3).norm());
    }
}

TEST(LowRank, NoErrorGivesZeros) {
  const auto error = upload(std::vector<float>(40 * 30, 0.0f), {40, 30});
  const LowRank pair = quant::low_rank_correction(shared_queue(), error, {}, 4, 1.0f, 1);
  EXPECT_EQ(pair.A, std::vector<float>(4 * 30, 0.0f));
  EXPECT_EQ(pair.B, std::vector<float>(40 * 4, 0.0f));
}

TEST(LowRank, RankZeroIsEmpty) {
  const auto error = upload(random_floats(40 * 30, 1), {40, 30});
  const LowRank pair = quant::low_rank_correction(shared_queue(), error, {}, 0, 1.0f, 1);
  EXPECT_TRUE(pair.A.empty());
  EXPECT_TRUE(pair.B.empty());
}

TEST(LowRank, ErrorsOfAnySizeAreCorrected) {
  for (const float size : {1e-12f, 1e8f}) {
    std::vector<float> e = random_floats(450 * 40, 1);
    for (float& x : e) x *= size;
    const LowRank pair = quant::low_rank_correction(shared_queue(), upload(e, {450, 40}), {}, 8, 1.0f, 1);
    const Matrix error = matrix(e, 450, 40), left = error - matrix(pair.B, 450, 8) * matrix(pair.A, 8, 40);
    const double best = Eigen::BDCSVD<Eigen::MatrixXd>(error).singularValues().tail(32).squaredNorm();
    EXPECT_LE(left.squaredNorm(), 1.0001 * best) << size;
  }
}

TEST(LowRank, SameSeedSameBytes) {
  const Data data({450, 90, 8});
  const LowRank first = data.correct(), again = data.correct(), other = data.correct(8);
  EXPECT_EQ(first.A, again.A);
  EXPECT_EQ(first.B, again.B);
  EXPECT_NE(first.A, other.A);
}

TEST(LowRank, RefusesWhatDoesNotFit) {
  const auto error = upload(random_floats(12, 1), {3, 4}), square = upload(random_floats(9, 1), {3, 3});
  EXPECT_THROW(quant::low_rank_correction(shared_queue(), error, {}, 4, 1.0f, 1), InvalidArgument);
  EXPECT_THROW(quant::low_rank_correction(shared_queue(), error, {}, 2, 0.0f, 1), InvalidArgument);
  EXPECT_THROW(quant::low_rank_correction(shared_queue(), error, square, 2, 1.0f, 1), ShapeError);
  EXPECT_THROW(quant::low_rank_correction(shared_queue(), upload(random_floats(12, 1), {12}), {}, 2, 1.0f, 1),
               ShapeError);
  EXPECT_THROW(
      quant::low_rank_correction(shared_queue(), upload({1, 2, std::nanf(""), 4}, {2, 2}), {}, 1, 1.0f, 1),
      InvalidArgument);
  EXPECT_THROW(
      quant::low_rank_correction(shared_queue(), error, upload({1, 2, std::nanf(""), 4}, {4}), 1, 1.0f, 1),
      InvalidArgument);
}

}  // namespace
}  // namespace apiq
