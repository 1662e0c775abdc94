// With E R = U S V^T the best pair is scaling B A = U_r U_r^T E, so only the leading left singular vectors
// U_r are needed: the leading eigenvectors of K = E H E^T, which is never formed, and neither is R. The
// device multiplies by E and H; the host works on matrices no larger than the basis.
//
// Method: block Krylov (Golub and Underwood 1977; Musco and Musco, arXiv 1504.05477). The basis is V_0
// random, V_(b+1) = K V_b made orthonormal to all before; U_r are the Ritz vectors of the whole basis. It
// needs fewer products than plain subspace iteration, which forgets what it saw before.
#include "quant/low_rank.hpp"

#include <Eigen/Eigenvalues>
#include <algorithm>
#include <cmath>
#include <string>

#include "apiq/error.hpp"
#include "ops/checks.hpp"
#include "ops/gemm.hpp"
#include "ops/moments.hpp"
#include "ops/nn.hpp"
#include "util/random.hpp"

namespace apiq::quant {

namespace {

using runtime::DeviceTensor;
using Matrix =
    Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // as tensors are stored
using Eigensolver = Eigen::SelfAdjointEigenSolver<Matrix>;

constexpr std::string_view kOp = "low_rank_correction";
constexpr std::uint64_t kOversample = 8;  // rows of a block past the rank

/// Products with K. Measured on 4096 x 4096 errors of independent random entries with H = I, where singular
/// values are close and nothing is harder: of what can be captured, rank 64 misses 1.6e-4 (with 8
/// products 5.5e-3), rank 16 with 14 products 6.5e-4; narrow blocks need more of them. With moments whose
/// spectrum falls as those of a transformer's inputs do, 8 products miss 1e-10 (1024 x 1024).
std::uint64_t blocks_of(std::uint64_t width) {
  return std::max<std::uint64_t>(12, (400 + width - 1) / width);
}

DeviceTensor space(Queue& queue, std::uint64_t rows, std::uint64_t columns) {
  return {queue.device(), DType::f32, {rows, columns}, "low-rank basis"};
}

Matrix read_matrix(Queue& queue, const TensorView& view) {
  const std::vector<float> values = runtime::read_floats(queue, view);
  return Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(
             values.data(), static_cast<Eigen::Index>(view.shape[0]),
             static_cast<Eigen::Index>(view.shape[1]))
      .cast<double>();
}

void write_matrix(Queue& queue, const Matrix& matrix, const TensorView& view) {
  std::vector<float> values(static_cast<std::size_t>(matrix.size()));
  std::transform(matrix.data(), matrix.data() + matrix.size(), values.begin(),
                 [](double x) { return static_cast<float>(x); });
  queue.write(view, values.data());
}

Eigensolver solved(const Matrix& symmetric) {
  if (!symmetric.allFinite())
    throw InvalidArgument("[low_rank_correction] the error or the moments hold values that are not finite");
  return Eigensolver(symmetric);
}

/// Multiplies rows by K / |E|^2; the factor keeps products of products away from the ends of f32.
class ErrorMoments {
 public:
  ErrorMoments(Queue& queue, const TensorView& error, const TensorView& moments, double squared_norm,
               std::uint64_t rows)
      : queue_(queue),
        error_(error),
        moments_(moments),
        scale_(static_cast<float>(1 / squared_norm)),
        low_(space(queue, rows, error.shape[1])) {
    if (moments.memory != nullptr && moments.shape.rank() == 2)
      weighted_ = space(queue, rows, error.shape[1]);
  }

  /// y [rows, out] = q [rows, out] K.
  void multiply(const TensorView& q, const TensorView& y) {
    ops::matmul_nn(queue_, runtime::Rounding::none, q, error_, low_);
    if (!weighted_.empty())
      ops::matmul_nt(queue_, runtime::Rounding::none, low_, moments_, weighted_);  // H is symmetric
    else if (moments_.memory != nullptr) ops::scale_columns(queue_, low_, moments_, low_);
    ops::matmul_nt(queue_, runtime::Rounding::none, weighted_.empty() ? low_ : weighted_, error_, y, scale_);
  }

 private:
  Queue& queue_;
  TensorView error_, moments_;
  float scale_;
  DeviceTensor low_, weighted_;
};

/// Orthonormal rows in blocks, and their products with K.
class Basis {
 public:
  Basis(Queue& queue, std::uint64_t out, std::uint64_t width, std::uint64_t blocks)
      : queue_(queue),
        width_(width),
        rows_(space(queue, width * blocks, out)),
        images_(space(queue, width * blocks, out)) {}

  TensorView rows() const { return rows_; }
  TensorView images() const { return images_; }
  TensorView block(std::uint64_t b) const { return rows_.view().rows(b * width_, width_); }
  TensorView image(std::uint64_t b) const { return images_.view().rows(b * width_, width_); }

  /// Makes block `b` orthonormal, to itself and to those before it.
  void orthonormalise(std::uint64_t b);

 private:
  Queue& queue_;
  std::uint64_t width_;
  DeviceTensor rows_, images_;
};

/// Factor that makes rows with this Gram matrix orthonormal, except that directions below 1/300 of the
/// largest are only amplified as much as that one: their part of an f32 Gram matrix is noise. They are in
/// order after a few turns.
Matrix whitening(const Matrix& gram) {
  const Eigensolver eigen = solved(gram);
  const double largest = eigen.eigenvalues()[gram.rows() - 1];
  if (largest <= 0) return Matrix::Zero(gram.rows(), gram.cols());
  return eigen.eigenvalues().cwiseMax(1e-5 * largest).cwiseSqrt().cwiseInverse().asDiagonal() *
         eigen.eigenvectors().transpose();
}

void Basis::orthonormalise(std::uint64_t b) {
  const TensorView now = block(b), before = rows_.view().rows(0, b * width_);
  const DeviceTensor products = space(queue_, width_, std::max(b, std::uint64_t{1}) * width_),
                     result = space(queue_, width_, now.shape[1]);
  const TensorView square = products.view()
                                .reshaped({products.shape().elements()})
                                .rows(0, width_ * width_)
                                .reshaped({width_, width_});
  // Each turn recovers two and a half digits between the largest and the smallest direction: three cover what
  // f32 can tell apart.
  for (int turn = 0; turn < 3; ++turn) {
    if (b > 0) {
      ops::matmul_nt(queue_, runtime::Rounding::none, now, before, products);
      ops::matmul_nn(queue_, runtime::Rounding::none, products, before, now, -1.0f, 1.0f);
    }
    ops::matmul_nt(queue_, runtime::Rounding::none, now, now, square);
    write_matrix(queue_, whitening(read_matrix(queue_, square)), square);
    ops::matmul_nn(queue_, runtime::Rounding::none, square, now, result);
    queue_.copy(result, now);
  }
}

/// Combinations of the basis: the leading Ritz vectors and values.
struct Ritz {
  Matrix combinations;  // [count, basis]; zeros where the basis has not as many directions
  Eigen::VectorXd values;
};

/// Combinations of a basis with this Gram matrix that are orthonormal: all of it as it is, unless it has lost
/// directions.
Matrix independent(const Matrix& gram) {
  const Matrix identity = Matrix::Identity(gram.rows(), gram.cols());
  if (((gram - identity).array().abs() < 1e-4).all()) return identity;
  const Eigensolver eigen = solved(gram);
  const Eigen::Index kept =
      (eigen.eigenvalues().array() > 1e-3 * eigen.eigenvalues()[gram.rows() - 1]).count();
  return eigen.eigenvalues().tail(kept).cwiseSqrt().cwiseInverse().asDiagonal() *
         eigen.eigenvectors().rightCols(kept).transpose();
}

/// From the basis's Gram matrix and its products with its images. The basis may have lost directions (an E of
/// low rank has no more).
Ritz leading(const Matrix& gram, const Matrix& projected, Eigen::Index count) {
  const Matrix white = independent(gram);
  const Eigensolver eigen = solved(white * (0.5 * (projected + projected.transpose())) * white.transpose());
  const Eigen::Index size = gram.rows(), found = std::min(count, white.rows());
  Ritz out{Matrix::Zero(count, size), Eigen::VectorXd::Zero(count)};
  out.combinations.topRows(found) =
      eigen.eigenvectors().rightCols(found).rowwise().reverse().transpose() * white;  // largest first
  out.values.head(found) = eigen.eigenvalues().tail(found).reverse();
  return out;
}

/// Fills the basis. One as wide as the space is the space itself: exact.
void fill(Queue& queue, ErrorMoments& moments, Basis& basis, std::uint64_t blocks, std::uint64_t seed) {
  const Shape& shape = basis.block(0).shape;
  const CounterRandom random(seed, 1);
  std::vector<float> start(shape.elements(), 0.0f);
  for (std::uint64_t i = 0; i < start.size(); ++i)
    start[i] =
        shape[0] == shape[1] ? (i % (shape[1] + 1) == 0 ? 1.0f : 0.0f) : 2.0f * random.uniform(i) - 1.0f;
  queue.write(basis.block(0), start.data());
  for (std::uint64_t b = 0; b < blocks; ++b) {
    if (b > 0) queue.copy(basis.image(b - 1), basis.block(b));
    if (shape[0] != shape[1]) basis.orthonormalise(b);
    moments.multiply(basis.block(b), basis.image(b));
  }
}

/// A = S^-1/2 U^T E and B = U S^1/2, balanced and divided by sqrt(scaling) each. `vectors` U^T [rank, out],
/// `seen` U^T E [rank, in].
LowRank balanced(const Matrix& vectors, const Matrix& seen, const Eigen::VectorXd& squares, double scaling) {
  Matrix A = seen, B = vectors.transpose();
  for (Eigen::Index i = 0; i < squares.size(); ++i) {
    const bool present = squares[i] > 1e-12 * squares[0] && squares[i] > 0;
    const double root = present ? std::sqrt(std::sqrt(squares[i])) : 0.0;
    A.row(i) *= present ? 1 / root : 0.0;
    B.col(i) *= root;
  }
  const double a = A.norm(), b = B.norm(), t = a > 0 && b > 0 ? std::sqrt(b / a) : 1.0;
  A *= t / std::sqrt(scaling);
  B /= t * std::sqrt(scaling);
  LowRank out{std::vector<float>(static_cast<std::size_t>(A.size())),
              std::vector<float>(static_cast<std::size_t>(B.size()))};
  const auto rounded = [](double x) { return static_cast<float>(x); };
  std::transform(A.data(), A.data() + A.size(), out.A.begin(), rounded);
  std::transform(B.data(), B.data() + B.size(), out.B.begin(), rounded);
  return out;
}

void check(const TensorView& error, const TensorView& moments, std::uint32_t rank, float scaling) {
  ops::check_rank(kOp, "error", error, 2);
  ops::check_tensor(kOp, "error", error, DType::f32, error.shape);
  const std::uint64_t out = error.shape[0], in = error.shape[1];
  if (moments.memory != nullptr)
    ops::check_tensor(kOp, "moments", moments, DType::f32,
                      moments.shape.rank() == 1 ? Shape{in} : Shape{in, in});
  if (rank > std::min(out, in))
    throw InvalidArgument("[low_rank_correction] rank: expected at most min(out, in) = " +
                          std::to_string(std::min(out, in)) + ", got " + std::to_string(rank));
  if (!(scaling > 0.0f))
    throw InvalidArgument("[low_rank_correction] scaling: expected a positive number, got " +
                          std::to_string(scaling));
}

struct BasisSize {
  std::uint64_t width = 0, blocks = 0;
};

/// The whole space if the blocks would span it anyway.
BasisSize basis_size(std::uint64_t out, std::uint64_t rank) {
  const std::uint64_t narrow = rank + kOversample, most = blocks_of(narrow);
  return out <= narrow * most ? BasisSize{out, 1} : BasisSize{narrow, most};
}

double squared_norm(Queue& queue, const TensorView& x) {
  const DeviceTensor sum(queue.device(), DType::f32, {1}, "squared norm");
  ops::dot(queue, x, x, sum);
  const double norm = runtime::read_floats(queue, sum)[0];
  if (!std::isfinite(norm))
    throw InvalidArgument(
        "[low_rank_correction] error: holds values that are not finite, or too large to square");
  return norm;
}

}  // namespace

LowRank low_rank_correction(Queue& queue, const TensorView& error, const TensorView& moments,
                            std::uint32_t rank, float scaling, std::uint64_t seed) {
  check(error, moments, rank, scaling);
  const std::uint64_t out = error.shape[0], in = error.shape[1];
  const double norm = rank == 0 ? 0.0 : squared_norm(queue, error);
  if (norm == 0) return {std::vector<float>(rank * in, 0.0f), std::vector<float>(out * rank, 0.0f)};

  const auto [width, blocks] = basis_size(out, rank);
  ErrorMoments operation(queue, error, moments, norm, width);
  Basis basis(queue, out, width, blocks);
  fill(queue, operation, basis, blocks, seed);

  const DeviceTensor products = space(queue, width * blocks, width * blocks);
  ops::matmul_nt(queue, runtime::Rounding::none, basis.rows(), basis.rows(), products);
  const Matrix gram = read_matrix(queue, products);
  ops::matmul_nt(queue, runtime::Rounding::none, basis.rows(), basis.images(), products);
  const Ritz ritz = leading(gram, read_matrix(queue, products), rank);

  const DeviceTensor combinations = space(queue, rank, width * blocks), vectors = space(queue, rank, out),
                     seen = space(queue, rank, in);
  write_matrix(queue, ritz.combinations, combinations);
  ops::matmul_nn(queue, runtime::Rounding::none, combinations, basis.rows(), vectors);
  ops::matmul_nn(queue, runtime::Rounding::none, vectors, error, seen);
  return balanced(read_matrix(queue, vectors), read_matrix(queue, seen), ritz.values * norm, scaling);
}

std::uint64_t low_rank_device_bytes(std::uint64_t out_features, std::uint64_t in_features,
                                    std::uint32_t rank) {
  const BasisSize size = basis_size(out_features, rank);
  const std::uint64_t basis = size.width * size.blocks;
  // Basis and its images, products with E and H; then what makes the last block orthonormal, or the Gram
  // matrix and the pair.
  const std::uint64_t always = 2 * basis * out_features + 2 * size.width * in_features;
  const std::uint64_t last_block =
      size.width * std::max(size.blocks - 1, std::uint64_t{1}) * size.width + size.width * out_features;
  return sizeof(float) *
         (always + std::max(last_block, basis * basis + rank * (basis + out_features + in_features)));
}

}  // namespace apiq::quant
