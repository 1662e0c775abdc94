// Packing on the device against packing on the host (codec/affine), and dequantize against the
// definition.
#include "cases/codebook_codec.hpp"
#include "cases/qmatmul_cases.hpp"

#include "apiq/error.hpp"

namespace apiq::testing {
namespace {

template <class T>
std::vector<T> fetch(const runtime::TensorView& view) {
  std::vector<T> out(view.elements());
  shared_queue().read(view, out.data());
  return out;
}

class Pack : public ::testing::TestWithParam<std::uint32_t> {
 protected:
  // Rows, features, group: whole, ragged in each direction, single.
  std::vector<QmatmulCase> cases() const {
    const std::uint32_t bits = GetParam();
    return {{64, 128, bits, 64, 1}, {33, 100, bits, 25, 1}, {1, 1, bits, 1, 1},
            {31, 96, bits, 32, 1},  {70, 172, bits, 43, 1}, {5, 33, bits, 33, 1}};
  }
};

TEST_P(Pack, WritesWhatTheHostPacks) {
  for (const auto& c : cases()) {
    const QmatmulData d(c, DType::f32, 11);
    const PackedMatrix expected = d.packed();
    DeviceQmatmul on_device(shared_device(), d, 3);
    // Buffers start as garbage: the padding must be written too.
    const std::vector<std::uint32_t> garbage(expected.layout.bytes(), 0xdeadbeefu);
    std::vector<runtime::TensorView> planes;
    for (const runtime::TensorView& plane : ops::planes_of(on_device.weight))
      planes.push_back(on_device.place(plane.dtype, plane.shape, garbage.data()));
    const ops::PackedWeightView w = ops::packed_view(expected.layout, planes);
    const auto codes = on_device.place(DType::u8, {c.out_features, c.in_features}, d.codes.data());
    const auto scales =
        on_device.place_floats(DType::f16, {c.out_features, c.in_features / c.group_size}, d.scales);
    const auto zeros =
        on_device.place(DType::u8, {c.out_features, c.in_features / c.group_size}, d.zeros.data());
    ops::pack(shared_queue(), codes, scales, zeros, w);
    EXPECT_TRUE(ops::read_packed(shared_queue(), w) == expected);
  }
}

TEST_P(Pack, UnpacksTheCodes) {
  for (const auto& c : cases()) {
    const QmatmulData d(c, DType::f32, 12);
    DeviceQmatmul on_device(shared_device(), d, 3);
    const auto codes = on_device.place(DType::u8, {c.out_features, c.in_features}, nullptr);
    ops::unpack_codes(shared_queue(), on_device.weight, codes);
    EXPECT_EQ(fetch<std::uint8_t>(codes), d.codes);
  }
}

TEST_P(Pack, DequantizesExactly) {
  for (const auto& c : cases()) {
    const QmatmulData d(c, DType::f32, 13);
    const auto expected = ops::reference::dequantize(d.problem());
    DeviceQmatmul on_device(shared_device(), d, 3);
    for (const DType type : {DType::f32, DType::f16}) {
      const auto out = on_device.place(type, {c.out_features, c.in_features}, nullptr);
      ops::dequantize(shared_queue(), on_device.weight, out);
      const auto found = download(out);
      for (std::size_t i = 0; i < found.size(); ++i) {
        // scale * (code - zero) has at most 19 significant bits: f32 holds it exactly, f16 its rounding.
        const auto exact = static_cast<float>(expected[i]);
        ASSERT_EQ(found[i], type == DType::f32 ? exact : half_to_float(float_to_half(exact)))
            << "element " << i;
      }
    }
  }
}

TEST_P(Pack, TransposesAndPadsLoraB) {
  for (const auto& c : cases()) {
    const std::uint32_t rank = 5;
    const PackedLayout layout{c.out_features, c.in_features, c.bits, c.group_size};
    const QmatmulData d({c.out_features, c.in_features, c.bits, c.group_size, 1, rank}, DType::f32, 14);
    DeviceQmatmul on_device(shared_device(), d, 3);
    const auto plain = on_device.place_floats(DType::f16, {c.out_features, rank}, d.lora_B);
    // Garbage at first: the padding must be written too.
    const std::vector<std::uint16_t> garbage(on_device.lora.B_t.elements(), 0x1234);
    const auto packed = on_device.place(DType::f16, on_device.lora.B_t.shape, garbage.data());
    ops::pack_lora_B(shared_queue(), plain, layout, packed);
    EXPECT_EQ(fetch<std::uint16_t>(packed), fetch<std::uint16_t>(on_device.lora.B_t));
  }
}

TEST(PackedBuffers, HoldThePlanesOfAnyCodec) {
  const PackedLayout layout{
      .out_features = 33, .in_features = 40, .bits = 2, .group_size = 40, .codec = &kCodebook};
  const PackedMatrix matrix = layout.codec->encode(layout, random_floats(33 * 40, 5));
  const ops::PackedBuffers buffers(shared_queue(), matrix);
  EXPECT_EQ(ops::planes_of(buffers.view()).size(), 2u);
  EXPECT_TRUE(ops::read_packed(shared_queue(), buffers.view()) == matrix);
}

INSTANTIATE_TEST_SUITE_P(Bits, Pack, ::testing::Values(2u, 3u, 4u, 8u));

TEST(PackRules, RefusesAWrongBuffer) {
  const QmatmulData d({32, 64, 2, 64, 1}, DType::f32, 1);
  DeviceQmatmul on_device(shared_device(), d);
  const auto codes = on_device.place(DType::u8, {32, 63}, nullptr);
  EXPECT_THROW(ops::unpack_codes(shared_queue(), on_device.weight, codes), ShapeError);
  EXPECT_THROW(ops::dequantize(shared_queue(), on_device.weight, codes), ShapeError);
}

}  // namespace
}  // namespace apiq::testing
