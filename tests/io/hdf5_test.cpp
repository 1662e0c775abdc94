// The HDF5 wrapper: element types against HDF5's own conversion, chunk sizes, handles.
#include "io/hdf5.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "apiq/error.hpp"
#include "io/tiny_checkpoint.hpp"

namespace apiq::hdf5 {
namespace {

using testing_support::TemporaryFolder;

TEST(Hdf5Types, HalfIsAFloatTypeThatHdf5ConvertsItself) {
  const Handle half = type_of(Element::f16);
  ASSERT_EQ(H5Tget_class(half.get()), H5T_FLOAT);
  ASSERT_EQ(H5Tget_size(half.get()), 2u);
  const std::pair<std::uint16_t, float> known[] = {
      {0x3c00, 1.0f},     {0xc000, -2.0f},    {0x3555, 0.333251953125f}, {0x7bff, 65504.0f},
      {0x0400, 0x1p-14f}, {0x0001, 0x1p-24f}, {0x8000, -0.0f},           {0x7c00, INFINITY}};
  for (const auto& [bits, value] : known) {
    float converted = 0;  // room for both: H5Tconvert works in place
    std::memcpy(&converted, &bits, 2);
    ASSERT_GE(H5Tconvert(half.get(), H5T_NATIVE_FLOAT, 1, &converted, nullptr, H5P_DEFAULT), 0);
    EXPECT_EQ(converted, value) << bits;
    EXPECT_EQ(std::signbit(converted), std::signbit(value));
  }
}

TEST(Hdf5Chunks, StayWithinLimitAndCoverEverySize) {
  for (const Dims& dims : {Dims{1}, Dims{1 << 20}, Dims{(1 << 20) + 1}, Dims{128256, 4096},
                           Dims{344, 128, 2, 32}, Dims{1, 5000, 8, 32}, Dims{3, 7, 11}, Dims{2, 1 << 24}}) {
    for (std::size_t bytes : {1u, 2u, 4u}) {
      const Dims chunk = chunk_dims(dims, bytes);
      ASSERT_EQ(chunk.size(), dims.size());
      std::uint64_t size = bytes, total = bytes;
      for (std::size_t i = 0; i < dims.size(); ++i) {
        ASSERT_GE(chunk[i], 1u);
        ASSERT_LE(chunk[i], dims[i]);
        size *= chunk[i];
        total *= dims[i];
      }
      EXPECT_LE(size, kMaxChunkBytes);
      // Sensible: a matrix that needs more than one chunk is not cut into crumbs.
      EXPECT_GE(size, std::min(total, kMaxChunkBytes) / 4);
    }
  }
}

TEST(Hdf5Handles, MoveAndCloseOnce) {
  Handle a(H5Screate(H5S_SCALAR), H5Sclose);
  const hid_t id = a.get();
  Handle b = std::move(a);
  EXPECT_EQ(b.get(), id);
  EXPECT_TRUE(b.close());
  EXPECT_TRUE(b.close());  // nothing left to close
  EXPECT_LT(H5Iis_valid(id), 1);
  Handle wrong(id, H5Sclose);
  EXPECT_FALSE(wrong.close());
}

TEST(Hdf5Files, WrittenAndReadBackByName) {
  const TemporaryFolder folder;
  const std::vector<std::uint32_t> values = {1, 2, 3, 0xffffffff, 5, 6};
  {
    Node file = create_file(folder / "x.h5", "shown");
    for (const char* name : {"b", "a", "c"}) create_group(file, name);
    write_dataset(file, "d", Element::u32, {2, 3}, std::as_bytes(std::span(values)));
    write_attribute(file, "text", std::string("größer"));
    write_attribute(file, "empty", std::string());
    EXPECT_THROW(write_dataset(file, "e", Element::u32, {2, 2}, std::as_bytes(std::span(values))),
                 ShapeError);
    try {
      create_group(file, "a");
      FAIL();
    } catch (const IoError& error) {
      EXPECT_EQ(std::string(error.what()).find("shown: /a: cannot be created: "), 0u) << error.what();
    }
    finish_file(file);
  }
  const Node file = open_file(folder / "x.h5");
  EXPECT_EQ(children(file), (std::vector<std::string>{"a", "b", "c", "d"}));
  EXPECT_EQ(read_string_attribute(file, "text"), "größer");
  EXPECT_EQ(read_string_attribute(file, "empty"), "");
  std::vector<std::uint32_t> back(6);
  read_all(open_dataset(file, "d", Element::u32, {2, 3}), Element::u32,
           std::as_writable_bytes(std::span(back)));
  EXPECT_EQ(back, values);
  EXPECT_THROW(open_dataset(file, "a", Element::u32, {2, 3}), FormatError);
  EXPECT_THROW(open_group(file, "d"), FormatError);
}

}  // namespace
}  // namespace apiq::hdf5
