#include "tensor/tensor_source.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "support/errors.hpp"

namespace apiq {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::span<const std::byte> as_bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

TEST(ToF32, KnownBitPatterns) {
  using namespace std::string_view_literals;
  EXPECT_THAT(to_f32(DType::f32, as_bytes_of("\x00\x00\x80\x3f\x00\x00\x00\xc0"sv), "w"),
              ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(to_f32(DType::f16, as_bytes_of("\x00\x3c\x01\x00\xff\xfb"sv), "w"),
              ElementsAre(1.0f, 0x1p-24f, -65504.0f));
  EXPECT_THAT(to_f32(DType::bf16, as_bytes_of("\x80\x3f\x49\x40"sv), "w"), ElementsAre(1.0f, 3.140625f));
  EXPECT_TRUE(to_f32(DType::f16, {}, "w").empty());
}

TEST(ToF32, UnalignedBytes) {
  using namespace std::string_view_literals;
  alignas(4) char storage[9];
  std::memcpy(storage + 1, "\x00\x00\x80\x3f\x00\x00\x00\xc0", 8);
  EXPECT_THAT(to_f32(DType::f32, as_bytes_of({storage + 1, 8}), "w"), ElementsAre(1.0f, -2.0f));
  EXPECT_THAT(to_f32(DType::f16, as_bytes_of({storage + 3, 2}), "w"), ElementsAre(1.875f)) << "bytes 80 3f";
}

TEST(ToF32, RefusesOtherTypesAndBrokenSizes) {
  const std::string bytes(8, '\0');
  EXPECT_THAT(test::error_text<FormatError>([&] { to_f32(DType::i64, as_bytes_of(bytes), "model.w"); }),
              HasSubstr("'model.w'"));
  EXPECT_THROW(to_f32(DType::f32, as_bytes_of(std::string_view(bytes).substr(1)), "w"), FormatError);
}

TEST(CheckFinite, NamesTensorAndFirstIndex) {
  const TensorInfo f32{"model.w", DType::f32, {100}}, f16{"h", DType::f16, {3}};
  std::vector<float> values(100, 1.0f);
  const auto check = [&] { check_finite(f32, std::as_bytes(std::span(values))); };
  EXPECT_NO_THROW(check());
  values[70] = NAN;
  values[90] = INFINITY;
  const std::string text = test::error_text<FormatError>(check);
  EXPECT_THAT(text, HasSubstr("'model.w'"));
  EXPECT_THAT(text, HasSubstr("element 70 is NaN"));
  values[70] = -INFINITY;
  EXPECT_THAT(test::error_text<FormatError>(check), HasSubstr("element 70 is infinite"));

  using namespace std::string_view_literals;
  EXPECT_NO_THROW(check_finite(f16, as_bytes_of("\xff\x7b\x00\x00\xff\xfb"sv)))
      << "65504 is the largest binary16";
  EXPECT_THAT(
      test::error_text<FormatError>([&] { check_finite(f16, as_bytes_of("\x00\x00\x00\x7c\x00\x00"sv)); }),
      HasSubstr("element 1 is infinite"));
  EXPECT_THROW(check_finite({"i", DType::i32, {1}}, as_bytes_of("1234")), FormatError);
}

}  // namespace
}  // namespace apiq
