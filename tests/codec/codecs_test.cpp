// The table of codecs, and a second codec that only this test has, through planes, sizes, files and checks.
#include "codec/codecs.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <random>

#include "apiq/error.hpp"
#include "cases/codebook_codec.hpp"
#include "codec/affine.hpp"
#include "io/checkpoint_values.hpp"
#include "io/stored_linear.hpp"
#include "support/errors.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

using ::testing::HasSubstr;
using testing::kCodebook;
namespace h5 = hdf5;
namespace stored = checkpoint_layout;

constexpr std::array<const Codec*, 2> kBoth{&kAffine, &kCodebook};

std::vector<float> random_weight(std::size_t count, float low = -1.0f, float high = 1.0f) {
  std::mt19937 random(3);
  std::vector<float> out(count);
  for (float& value : out) value = low + (high - low) * static_cast<float>(random() >> 8) * 0x1p-24f;
  return out;
}

TEST(Codecs, AreFoundByWhatFilesCallThem) {
  EXPECT_EQ(find_codec("interleaved-32"), &kAffine);
  EXPECT_EQ(find_codec("codebook-4"), nullptr);
  EXPECT_EQ(find_codec("codebook-4", kBoth), &kCodebook);
  EXPECT_EQ(bits_text(kAffine), "2, 3, 4 or 8");
  EXPECT_EQ(bits_text(kCodebook), "2");
  EXPECT_TRUE(has_bits(kAffine, 8));
  EXPECT_FALSE(has_bits(kAffine, 5));
}

/// A grid through the extremes of a group is at most half a step off, plus what rounding the scale and the
/// zero point to whole codes costs: another half.
TEST(AffineCodec, EncodesToTheNearestGrid) {
  for (const std::uint32_t bits : kAffine.bits)
    for (const auto& [low, high] : {std::pair{-1.0f, 1.0f}, {0.5f, 2.0f}, {-3.0f, -1.0f}}) {
      const PackedLayout layout{33, 96, bits, 32};
      const auto weight = random_weight(33 * 96, low, high);
      const PackedMatrix matrix = kAffine.encode(layout, weight);
      EXPECT_NO_THROW(kAffine.check_values(matrix, "test"));
      const auto decoded = kAffine.decode(matrix);
      ASSERT_EQ(decoded.size(), weight.size());
      const float range = std::max(high, 0.0f) - std::min(low, 0.0f),
                  step = range / static_cast<float>((1u << bits) - 1);
      for (std::size_t i = 0; i < weight.size(); ++i)
        ASSERT_NEAR(decoded[i], weight[i], step * 1.01f) << bits << " bits, element " << i;
    }
  const PackedLayout layout{1, 32, 4, 32};
  EXPECT_EQ(kAffine.decode(kAffine.encode(layout, std::vector<float>(32, 0.0f))),
            std::vector<float>(32, 0.0f));
}

TEST(AffineCodec, FindsValuesThatNoWriterMakes) {
  const PackedLayout layout{33, 40, 3, 20};
  const PackedMatrix good = kAffine.encode(layout, random_weight(33 * 40));
  const auto refusal = [&](std::size_t plane, std::size_t byte, std::byte value) {
    PackedMatrix bad = good;
    bad.planes[plane][byte] = value;
    return test::error_text<FormatError>([&] { kAffine.check_values(bad, "x"); });
  };
  EXPECT_EQ(refusal(1, 1, std::byte{0x7e}), "x/scales: element 0 is not a finite number");
  EXPECT_EQ(refusal(0, good.planes[0].size() - 1, std::byte{1}),
            "x/qweight: codes past the matrix are not zero");
  EXPECT_EQ(refusal(1, good.planes[1].size() - 2, std::byte{1}),
            "x/scales: scales past out_features are not zero");
  EXPECT_EQ(refusal(2, good.planes[2].size() - 1, std::byte{1}),
            "x/qzeros: zero points past out_features are not zero");
}

TEST(PackedLayout, SizesNearTwoToThe32DoNotWrap) {
  const PackedLayout layout{
      .out_features = 0xffffffff, .in_features = 0xffffffff, .bits = 2, .group_size = 1};
  EXPECT_EQ(layout.row_blocks(), std::uint64_t{1} << 27);
  EXPECT_EQ(layout.chunks(), std::uint64_t{1} << 27);
}

TEST(SecondCodec, SizesAndPlanesFollowFromItsRow) {
  const PackedLayout layout{
      .out_features = 33, .in_features = 40, .bits = 2, .group_size = 40, .codec = &kCodebook};
  EXPECT_EQ(layout.bytes(), 2u * 2 * 2 * 32 * 4 + 4 * 4);
  const auto weight = random_weight(33 * 40);
  const PackedMatrix matrix = layout.codec->encode(layout, weight);
  EXPECT_NO_THROW(check_planes(matrix, "w"));
  const auto decoded = layout.codec->decode(matrix);
  for (std::size_t i = 0; i < weight.size(); ++i)
    ASSERT_NEAR(decoded[i], weight[i], 1.0f / 3 + 1e-6f) << i;  // half a step of four values over [-1, 1)
  PackedMatrix cut = matrix;
  cut.planes[1].pop_back();
  EXPECT_THAT(test::error_text<ShapeError>([&] { check_planes(cut, "w"); }),
              HasSubstr("w: codebook: expected 16 bytes, got 15"));
  const PackedLayout three_bits{
      .out_features = 33, .in_features = 40, .bits = 3, .group_size = 40, .codec = &kCodebook};
  EXPECT_THROW(check_layout(three_bits, "w"), InvalidArgument);
  EXPECT_NE(layout.format(), (PackedLayout{33, 40, 2, 40}.format()));
}

TEST(SecondCodec, IsStoredInFilesAndReadBack) {
  const test::TemporaryFolder folder;
  const std::filesystem::path path = folder.path() / "c.h5";
  const PackedLayout layout{
      .out_features = 33, .in_features = 40, .bits = 2, .group_size = 40, .codec = &kCodebook};
  QuantizedLinear linear;
  linear.weight = layout.codec->encode(layout, random_weight(33 * 40));
  {
    h5::Node file = h5::create_file(path, path.string());
    stored::write_linear(h5::create_group(file, "linears"), "w", linear);
    h5::finish_file(file);
  }
  const h5::Node file = h5::open_file(path), linears = h5::open_group(file, "linears");
  const LinearEntry entry = stored::read_entry(linears, "w", {33, 40}, kBoth);
  EXPECT_EQ(entry.layout, layout);
  EXPECT_EQ(entry.bytes, layout.bytes());
  const QuantizedLinear back = stored::read_linear(linears, entry);
  EXPECT_TRUE(back.weight == linear.weight);
  EXPECT_NO_THROW(check_values("w", back));
  // Programs have no such row, and say which they have.
  EXPECT_THAT(test::error_text<FormatError>([&] {
                stored::read_entry(linears, "w", {33, 40});
              }),
              HasSubstr("attribute 'layout': expected 'interleaved-32', found 'codebook-4'"));
  EXPECT_THAT(test::error_text<FormatError>([&] {
                stored::read_entry(linears, "w", {40, 33}, kBoth);
              }),
              HasSubstr("attribute 'out_features': expected 40 as config.json says, found 33"));
}

}  // namespace
}  // namespace apiq
