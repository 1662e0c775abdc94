// Good files against the format's text, and the hostile files its authors and others have met: each must be
// refused with its reason, before anything is allocated or read beyond the end.
#include "io/safetensors.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "support/errors.hpp"
#include "support/safetensors_file.hpp"
#include "support/temporary_folder.hpp"
#include "util/sha256.hpp"

namespace apiq {
namespace {

using test::safetensors_bytes;
using testing::AllOf;
using testing::HasSubstr;

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

TEST(Safetensors, ReadsTensorsAndMetadata) {
  const test::TemporaryFolder folder;
  // White space around the header, offsets out of name order, an unaligned tensor, a scalar and an empty
  // tensor: all legal.
  const std::string header = R"(  {"__metadata__":{"format":"pt"},
    "b":{"dtype":"U8","shape":[3],"data_offsets":[0,3]},
    "a":{"dtype":"F32","shape":[2,1],"data_offsets":[3,11]},
    "s":{"dtype":"I64","shape":[],"data_offsets":[11,19]},
    "e":{"dtype":"BF16","shape":[0,4],"data_offsets":[19,19]}}   )";
  const SafetensorsFile file(
      folder.write("m.safetensors", safetensors_bytes(header, std::string("xyz") + "AAAABBBB" + "12345678")));
  ASSERT_EQ(file.tensors().size(), 4u);
  EXPECT_EQ(file.tensors()[0].name, "a");
  EXPECT_EQ(file.tensors()[3].name, "s");
  EXPECT_EQ(file.find("a")->dtype, DType::f32);
  EXPECT_EQ(file.find("a")->shape, (Shape{2, 1}));
  EXPECT_EQ(file.find("e")->shape, (Shape{0, 4}));
  EXPECT_EQ(file.find("s")->shape.rank(), 0);
  EXPECT_EQ(text_of(file.bytes("a")), "AAAABBBB");
  EXPECT_EQ(text_of(file.bytes("b")), "xyz");
  EXPECT_EQ(text_of(file.bytes("s")), "12345678");
  EXPECT_TRUE(file.bytes("e").empty());
  EXPECT_EQ(file.metadata().at("format"), "pt");
  EXPECT_EQ(file.sha256([](const auto&...) {}), sha256_of_file(file.path()));
  EXPECT_EQ(file.find("c"), nullptr);
  EXPECT_THAT(test::error_text<FormatError>([&] { file.bytes("c"); }),
              AllOf(HasSubstr("m.safetensors"), HasSubstr("'c'")));
}

TEST(Safetensors, ChunksAreTheTensorAndAreChecked) {
  const test::TemporaryFolder folder;
  // 5 Mi + 3 elements: more than one chunk of the streaming readers, and a ragged end.
  const std::uint64_t count = (5u << 20) + 3;
  std::string bytes = safetensors_bytes({{"a", Shape{4}}, {"big", Shape{count}}}, 0x11);
  const SafetensorsFile file(folder.write("m.safetensors", bytes));
  std::string seen;
  for_each_chunk(file, "big", 1000001, [&](std::uint64_t offset, std::span<const std::byte> chunk) {
    EXPECT_EQ(offset, seen.size());
    EXPECT_LE(chunk.size(), 1000000u) << "whole elements of two bytes";
    seen += text_of(chunk);
  });
  EXPECT_EQ(seen, text_of(file.bytes("big")));
  file.release("big");
  EXPECT_EQ(seen, text_of(file.bytes("big")));
  EXPECT_THROW(for_each_chunk(file, "absent", 100, [](auto, auto) {}), FormatError);
  std::vector<std::byte> out(10);
  EXPECT_THROW(file.read("a", 0, out), FormatError)
      << "eight bytes in the tensor; the ninth would be the next tensor's";
  EXPECT_THROW(file.read("a", ~std::uint64_t{0}, out), FormatError);

  const auto check = [](const TensorInfo& info, std::uint64_t offset, std::span<const std::byte> part) {
    if (info.name == "big") check_finite(info, part, offset / size_of(info.dtype));
  };
  EXPECT_EQ(file.sha256(check), sha256_of(bytes));
  const std::uint64_t bad = (4u << 20) + 7;
  bytes[bytes.size() - 2 * (count - bad)] = 0x00;
  bytes[bytes.size() - 2 * (count - bad) + 1] = 0x7c;
  const SafetensorsFile damaged(folder.write("damaged.safetensors", bytes));
  EXPECT_THAT(test::error_text<FormatError>([&] { damaged.sha256(check); }),
              HasSubstr("'big': element " + std::to_string(bad) + " is infinite"));
}

TEST(Safetensors, NoTensorsIsLegal) {
  const test::TemporaryFolder folder;
  EXPECT_TRUE(SafetensorsFile(folder.write("m", safetensors_bytes("{}", ""))).tensors().empty());
}

TEST(Safetensors, NotANumberIsALegalValue) {
  const test::TemporaryFolder folder;
  const SafetensorsFile file(folder.write("m", safetensors_bytes({{"w", Shape{2}}}, '\xff')));
  EXPECT_TRUE(std::isnan(to_f32(DType::f16, file.bytes("w"), "w")[0]));
}

struct Hostile {
  const char* name;
  std::string bytes;
  const char* reason;  // part of the message
};

std::string entry(const std::string& name, const std::string& dtype, const std::string& shape,
                  const std::string& offsets) {
  return "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":" + offsets +
         "}";
}
std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets,
                const std::string& data) {
  return safetensors_bytes("{" + entry("w", dtype, shape, offsets) + "}", data);
}

std::vector<Hostile> hostile_files() {
  const std::string d16(16, 'x'), good = entry("a", "F32", "[2]", "[0,8]");
  const auto with = [&](const std::string& second, const std::string& data) {
    return safetensors_bytes("{" + good + "," + second + "}", data);
  };
  std::string many = "{";
  for (int i = 0; i < 100000; ++i)
    many += (i ? "," : "") + entry("t" + std::to_string(i), "F32", "[4]", "[0,16]");
  return {
      {"Empty", "", "incomplete"},
      {"SevenBytes", "1234567", "incomplete"},
      {"HugeHeaderSize", safetensors_bytes("{}", "", ~std::uint64_t{0}), "limit"},
      {"HeaderSizeNearOverflow", safetensors_bytes("{}", "", ~std::uint64_t{0} - 7), "limit"},
      {"HeaderOverTheLimit", safetensors_bytes("{}", "", 100'000'001), "limit"},
      {"HeaderPastTheEnd", safetensors_bytes("{}", "", 3), "does not fit"},
      {"NoHeader", safetensors_bytes("", ""), "not valid JSON"},
      {"NotUtf8", safetensors_bytes("{\"\xff\":{}}", ""), "not valid JSON"},
      {"BraceAlone", safetensors_bytes("{", ""), "not valid JSON"},
      {"TwoValues", safetensors_bytes("{}{}", ""), "not valid JSON"},
      {"Array", safetensors_bytes("[]", ""), "JSON object"},
      {"DeepNesting", safetensors_bytes("{\"a\":" + std::string(200000, '['), ""), "nested"},
      {"AllAtTheSameOffsets", safetensors_bytes(many + "}", d16), "overlaps"},
      {"DuplicateNames", safetensors_bytes("{" + good + "," + good + "}", std::string(8, 'x')), "twice"},
      {"DuplicateKeys",
       safetensors_bytes(R"({"w":{"dtype":"U8","dtype":"F32","shape":[1],"data_offsets":[0,1]}})", "x"),
       "twice"},
      {"MetadataNumber", safetensors_bytes(R"({"__metadata__":{"a":1}})", ""), "__metadata__"},
      {"MetadataArray", safetensors_bytes(R"({"__metadata__":[]})", ""), "__metadata__"},
      {"OffsetsReversed", one("F32", "[2]", "[8,0]", std::string(8, 'x')), "end before"},
      {"OffsetsNegative", one("F32", "[2]", "[-8,0]", std::string(8, 'x')), "non-negative"},
      {"OffsetsFraction", one("F32", "[2]", "[0.0,8]", std::string(8, 'x')), "non-negative"},
      {"OffsetsThree", one("F32", "[2]", "[0,8,8]", std::string(8, 'x')), "data_offsets"},
      {"OffsetsBeyondTheFile", one("F32", "[4]", "[0,16]", std::string(8, 'x')), "incomplete"},
      {"OffsetsHuge", one("U8", "[18446744073709551615]", "[0,18446744073709551615]", "x"), ""},
      {"Overlap", with(entry("b", "F32", "[2]", "[4,12]"), std::string(12, 'x')), "overlaps"},
      {"Hole", with(entry("b", "F32", "[2]", "[12,20]"), std::string(20, 'x')), "holes"},
      {"HoleAtTheStart", one("F32", "[2]", "[8,16]", d16), "expected 0"},
      {"TrailingByte", one("F32", "[2]", "[0,8]", std::string(9, 'x')), "1 bytes after"},
      {"OneByteShort", one("F32", "[2]", "[0,8]", std::string(7, 'x')), "incomplete"},
      {"ShapeTooSmall", one("F32", "[1]", "[0,8]", std::string(8, 'x')), "expected 4 bytes"},
      {"ShapeTooLarge", one("F16", "[2,3]", "[0,8]", std::string(8, 'x')), "expected 12 bytes"},
      {"ShapeOverflow", one("F32", "[4294967296,4294967296]", "[0,0]", ""), "too large"},
      {"ShapeTimesSizeOverflow", one("F32", "[18446744073709551614]", "[0,8]", std::string(8, 'x')),
       "too large"},
      {"ShapeOverflowHiddenByZero", one("F32", "[4294967296,4294967296,0]", "[0,0]", ""), "too large"},
      {"ShapeNegative", one("F32", "[-2]", "[0,8]", std::string(8, 'x')), "non-negative"},
      {"ShapeNumber", one("F32", "2", "[0,8]", std::string(8, 'x')), "array"},
      {"HalfAByte", one("F4", "[3]", "[0,1]", "x"), "bytes"},
      {"UnknownType", one("F17", "[2]", "[0,8]", std::string(8, 'x')), "'F17'"},
      {"TypeNumber",
       safetensors_bytes(R"({"w":{"dtype":32,"shape":[2],"data_offsets":[0,8]}})", std::string(8, 'x')),
       "dtype"},
      {"MissingKey", safetensors_bytes(R"({"w":{"dtype":"F32","shape":[2]}})", std::string(8, 'x')),
       "'data_offsets' is missing"},
      {"ExtraKey",
       safetensors_bytes(R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})",
                         std::string(8, 'x')),
       "unknown key"},
      {"EntryNumber", safetensors_bytes(R"({"w":1})", ""), "object"},
      {"EmptyName", safetensors_bytes("{" + entry("", "U8", "[0]", "[0,0]") + "}", ""), "names"},
      {"NameWithNul", safetensors_bytes("{" + entry("a\\u0000b", "U8", "[0]", "[0,0]") + "}", ""), "names"},
      {"NameOfTenMegabytes",
       safetensors_bytes("{" + entry(std::string(10'000'000, 'n'), "U8", "[0]", "[0,0]") + "}", ""), "names"},
  };
}

class HostileSafetensors : public testing::TestWithParam<Hostile> {};

TEST_P(HostileSafetensors, IsRefusedWithPathAndReason) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", GetParam().bytes);
  const std::string text = test::error_text<FormatError>([&] { SafetensorsFile file(path); });
  EXPECT_THAT(text, AllOf(HasSubstr(path.string()), HasSubstr(GetParam().reason)));
  EXPECT_LT(text.size(), 600u) << "the message repeats the file";
  EXPECT_EQ(text.find('\n'), std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(Files, HostileSafetensors, testing::ValuesIn(hostile_files()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Safetensors, KnownTypesThatAreNotReadAreNamed) {
  const test::TemporaryFolder folder;
  const auto path = folder.write("m", one("F8_E4M3", "[8]", "[0,8]", "12345678"));
  EXPECT_THAT(test::error_text<Unsupported>([&] { SafetensorsFile file(path); }),
              AllOf(HasSubstr("'w'"), HasSubstr("F8_E4M3")));
  const auto five = folder.write("n", one("U8", "[1,1,1,1,1]", "[0,1]", "1"));
  EXPECT_THAT(test::error_text<Unsupported>([&] { SafetensorsFile file(five); }), HasSubstr("5 dimensions"));
}

TEST(Safetensors, EveryTruncationIsRefused) {
  const test::TemporaryFolder folder;
  const std::string whole = safetensors_bytes({{"a", Shape{2, 3}}, {"b", Shape{4}}});
  EXPECT_NO_THROW(SafetensorsFile(folder.write("m", whole)));
  for (std::size_t size = 0; size < whole.size(); ++size)
    EXPECT_THROW(SafetensorsFile(folder.write("m", whole.substr(0, size))), FormatError)
        << size << " of " << whole.size();
}

// --- shards
// -----------------------------------------------------------------------------------------------------------------------

class Shards : public testing::Test {
 protected:
  std::filesystem::path index(const std::string& weight_map) const {
    return folder_.write("model.safetensors.index.json",
                         "{\"metadata\":{\"total_size\":20},\"weight_map\":" + weight_map + "}");
  }
  std::string refusal(const std::string& weight_map) const {
    return test::error_text<FormatError>([&] { ShardedSafetensors model(index(weight_map)); });
  }
  void SetUp() override {
    folder_.write("one.safetensors", safetensors_bytes({{"a", Shape{2}}, {"c", Shape{3}}}, 1));
    folder_.write("two.safetensors", safetensors_bytes({{"b", Shape{5}}}, 2));
  }
  const test::TemporaryFolder folder_;
};

TEST_F(Shards, ReadAsOne) {
  const ShardedSafetensors model(
      index(R"({"a":"one.safetensors","b":"two.safetensors","c":"one.safetensors"})"));
  ASSERT_EQ(model.tensors().size(), 3u);
  EXPECT_EQ(model.tensors()[1].name, "b");
  EXPECT_EQ(text_of(model.bytes("b")), std::string(10, 2));
  EXPECT_EQ(text_of(model.bytes("c")), std::string(6, 1));
  EXPECT_EQ(model.find("d"), nullptr);
  EXPECT_THROW(model.bytes("d"), FormatError);
  ASSERT_EQ(model.files().size(), 2u);
  EXPECT_EQ(model.files()[0]->path(), folder_.path() / "one.safetensors");
  EXPECT_EQ(model.files()[1]->path(), folder_.path() / "two.safetensors");
}

TEST_F(Shards, TensorsThatTheIndexForgotAreSeen) {
  const ShardedSafetensors model(index(R"({"a":"one.safetensors","b":"two.safetensors"})"));
  EXPECT_NE(model.find("c"), nullptr);
}

TEST_F(Shards, MissingTensorsAreListed) {
  EXPECT_THAT(refusal(R"({"a":"one.safetensors","x":"one.safetensors","y":"two.safetensors"})"),
              AllOf(HasSubstr("2 tensors"), HasSubstr("x (in one"), HasSubstr("y (in two")));
  EXPECT_THAT(refusal(R"({"a":"two.safetensors"})"), HasSubstr("a (in two"));
}

TEST_F(Shards, NamesOutsideTheFolderAreRefused) {
  folder_.write("three.safetensors", safetensors_bytes({{"d", Shape{1}}}));
  for (const char* name : {"/etc/passwd", "../x.safetensors", "..", ".", "", "a/b.safetensors",
                           "one.safetensors\\u0000.x", "..\\\\x"})
    EXPECT_THAT(refusal("{\"a\":\"" + std::string(name) + "\"}"), HasSubstr("without a folder")) << name;
}

TEST_F(Shards, BrokenIndexes) {
  EXPECT_THAT(refusal("[]"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal("{}"), HasSubstr("weight_map"));
  EXPECT_THAT(refusal(R"({"a":1})"), HasSubstr("file name"));
  EXPECT_THAT(refusal(R"({"a":"one.safetensors","a":"one.safetensors"})"), HasSubstr("twice"));
  EXPECT_THROW(ShardedSafetensors(folder_.write("i.json", "[]")), FormatError);
  EXPECT_THROW(ShardedSafetensors(index(R"({"a":"absent.safetensors"})")), IoError);
}

TEST_F(Shards, TheSameTensorTwiceIsRefused) {
  folder_.write("two.safetensors", safetensors_bytes({{"a", Shape{2}}, {"b", Shape{5}}}));
  EXPECT_THAT(refusal(R"({"a":"one.safetensors","b":"two.safetensors"})"),
              AllOf(HasSubstr("'a'"), HasSubstr("also in")));
}

}  // namespace
}  // namespace apiq
