// Vectors: FIPS 180-4 examples as published by NIST (empty, "abc", the 448-bit message, a million times "a").
#include "util/sha256.hpp"

#include <gtest/gtest.h>

#include "apiq/error.hpp"
#include "support/temporary_folder.hpp"

namespace apiq {
namespace {

constexpr const char* kMillionA = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(sha256_of(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_of("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_of(std::string(1000000, 'a')), kMillionA);
}

TEST(Sha256, PiecesGiveTheHashOfTheWhole) {
  Sha256 hash;
  for (int i = 0; i < 1000; ++i) hash.update(std::string(1000, 'a'));
  EXPECT_EQ(hash.hex(), kMillionA);
}

TEST(Sha256, FilesOfMoreThanOneBlock) {
  const test::TemporaryFolder folder;
  EXPECT_EQ(sha256_of_file(folder.write("empty", "")), sha256_of(""));
  EXPECT_EQ(sha256_of_file(folder.write("a", std::string(1000000, 'a'))), kMillionA);
  const std::string large((1u << 20) + 17, 'b');  // one read block and a rest
  EXPECT_EQ(sha256_of_file(folder.write("b", large)), sha256_of(large));
  EXPECT_THROW(sha256_of_file(folder.path() / "absent"), IoError);
}

}  // namespace
}  // namespace apiq
