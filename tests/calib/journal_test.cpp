// The journal of a run: what survives a kill, what damage costs, and which folders are never touched.
#include "calib/journal.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>

#include "apiq/error.hpp"
#include "support/errors.hpp"
#include "support/full_disk.hpp"
#include "support/temporary_folder.hpp"
#include "util/atomic_file.hpp"
#include "util/sha256.hpp"

namespace apiq {
namespace {

namespace fs = std::filesystem;
using calib::FileRecord;
using calib::Journal;
using calib::JournalEntry;
using nlohmann::json;
using test::error_text;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;
using testing::UnorderedElementsAre;

const json kIdentity = {{"options", {{"bits", 2}, {"method", "apiq-bw"}}}, {"commit", "abc"}};

class JournalTest : public testing::Test {
 protected:
  Journal open(const json& identity = kIdentity, bool restart = false) const {
    return Journal::open(work, identity, restart);
  }

  FileRecord put(const fs::path& path, const std::string& bytes) const {
    std::ofstream(path, std::ios::binary) << bytes;
    return {path.filename().string(), sha256_of(bytes)};
  }
  /// What a run does after a block: activations, part, journal.
  void finish(Journal& journal, std::uint32_t block, bool activations = true) const {
    JournalEntry entry;
    entry.block = block;
    entry.part = put(journal.part_path(block), "part " + std::to_string(block));
    if (activations)
      for (const char* stream : {"full", "quantized"})
        entry.activations.push_back(
            put(journal.activation_path(block, stream), stream + std::to_string(block)));
    entry.report = {{"loss_last", 0.1 * block}};
    journal.add(entry);
  }
  void run_blocks(std::uint32_t blocks, bool activations = true) const {
    Journal journal = open();
    for (std::uint32_t i = 0; i < blocks; ++i) finish(journal, i, activations);
  }
  std::vector<std::uint32_t> blocks_of(const Journal& journal) const {
    std::vector<std::uint32_t> out;
    for (const auto& [block, entry] : journal.finished()) out.push_back(block);
    return out;
  }
  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& file : fs::directory_iterator(work)) out.push_back(file.path().filename().string());
    return out;
  }

  test::TemporaryFolder folder;
  fs::path work = folder.path() / "a" / "out.h5.work";
};

TEST_F(JournalTest, GoesOnWhereTheLastRunStopped) {
  run_blocks(3);
  EXPECT_THAT(files(), UnorderedElementsAre("apiq.lock", "journal.json", "block-00000.h5", "block-00001.h5",
                                            "block-00002.h5", "activations-00002-full.f32",
                                            "activations-00002-quantized.f32"));
  Journal journal = open();
  EXPECT_THAT(blocks_of(journal), ElementsAre(0, 1, 2));
  EXPECT_EQ(journal.saved_activations(), 2u);
  EXPECT_THAT(journal.messages(), testing::IsEmpty());
  EXPECT_EQ(journal.finished().at(1).report, json({{"loss_last", 0.1}}));
  EXPECT_EQ(journal.finished().at(1).part.name, "block-00001.h5");
  finish(journal, 3);
  EXPECT_EQ(journal.saved_activations(), 3u);
  EXPECT_FALSE(fs::exists(work / "activations-00002-full.f32"));
}

TEST_F(JournalTest, MethodsWithoutInputsSaveNoActivations) {
  run_blocks(2, false);
  const Journal journal = open();
  EXPECT_THAT(blocks_of(journal), ElementsAre(0, 1));
  EXPECT_EQ(journal.saved_activations(), std::nullopt);
}

TEST_F(JournalTest, WhatAKilledRunWasWritingIsRemoved) {
  run_blocks(2);
  for (const char* stray : {"block-00002.h5", "block-00002.h5.99.tmp", "activations-00002-full.f32.99.tmp",
                            "activations-00002-quantized.f32", "journal.json.99.tmp", "notes.txt"})
    put(work / stray, "x");
  const Journal journal = open();
  EXPECT_THAT(files(), UnorderedElementsAre("apiq.lock", "journal.json", "block-00000.h5", "block-00001.h5",
                                            "activations-00001-full.f32", "activations-00001-quantized.f32",
                                            "notes.txt"));
}

TEST_F(JournalTest, FilesInTheMakingSurviveTheEntryOfAnEarlierBlock) {
  Journal journal = open();
  finish(journal, 0);
  put(journal.activation_path(2, "full").string() + ".7.tmp", "half");
  put(journal.part_path(2), "complete, not recorded yet");
  finish(journal, 1);
  EXPECT_TRUE(fs::exists(work / "activations-00002-full.f32.7.tmp"));
  EXPECT_TRUE(fs::exists(journal.part_path(2)));
}

TEST_F(JournalTest, DamagedAndMissingPartsAreDoneAgain) {
  run_blocks(5);
  std::string part = read_file(work / "block-00001.h5");
  part[3] ^= 1;
  put(work / "block-00001.h5", part);
  fs::remove(work / "block-00003.h5");
  {
    Journal journal = open();
    EXPECT_THAT(blocks_of(journal), ElementsAre(0, 2, 4));
    EXPECT_THAT(journal.messages(),
                ElementsAre(HasSubstr("block-00001.h5 is damaged; block 1 is done again"),
                            HasSubstr("block-00003.h5 is missing; block 3 is done again")));
    EXPECT_EQ(journal.saved_activations(), 4u);
    finish(journal, 1);  // does not disturb what the later block saved
    EXPECT_FALSE(fs::exists(work / "activations-00001-full.f32"));
    EXPECT_TRUE(fs::exists(work / "activations-00004-full.f32"));
  }
  const Journal journal = open();
  EXPECT_THAT(blocks_of(journal), ElementsAre(0, 1, 2, 4));
  EXPECT_THAT(journal.messages(), testing::IsEmpty());  // it was said once
}

TEST_F(JournalTest, EveryFlippedBitOfAPartIsFound) {
  run_blocks(1);
  const std::string good = read_file(work / "block-00000.h5"),
                    journal_bytes = read_file(work / "journal.json");
  for (std::size_t bit = 0; bit < 8 * good.size(); ++bit) {
    std::string bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << bit % 8));
    put(work / "block-00000.h5", bad);
    put(work / "journal.json", journal_bytes);
    EXPECT_THAT(blocks_of(open()), testing::IsEmpty()) << bit;
  }
}

TEST_F(JournalTest, DamagedActivationsAreForgottenTheirBlockIsNot) {
  run_blocks(2);
  put(work / "activations-00001-quantized.f32", "something else");
  const Journal journal = open();
  EXPECT_THAT(blocks_of(journal), ElementsAre(0, 1));
  EXPECT_EQ(journal.saved_activations(), std::nullopt);
  EXPECT_THAT(journal.messages(), ElementsAre(AllOf(HasSubstr("activations-00001-quantized.f32 is damaged"),
                                                    HasSubstr("computed again"))));
  EXPECT_FALSE(fs::exists(work / "activations-00001-full.f32"));
}

TEST_F(JournalTest, AJournalCutAnywhereIsAFreshStart) {
  run_blocks(2);
  const std::string good = read_file(work / "journal.json");
  for (std::size_t size = 0; size + 1 < good.size();
       ++size) {  // without its last byte, a line's end, it is still whole
    put(work / "journal.json", good.substr(0, size));
    const Journal journal = open();
    ASSERT_THAT(blocks_of(journal), testing::IsEmpty()) << size;
    ASSERT_THAT(journal.messages(), ElementsAre(AllOf(StartsWith((work / "journal.json").string() + ": "),
                                                      HasSubstr("starting over"))))
        << size;
    ASSERT_THAT(files(), UnorderedElementsAre("apiq.lock", "journal.json")) << size;
  }
}

TEST_F(JournalTest, NoFlippedBitOfAJournalChangesWhatItSays) {
  run_blocks(1, false);
  const std::string good = read_file(work / "journal.json"), part = read_file(work / "block-00000.h5");
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ (1 << at % 8));
    put(work / "journal.json", bad);
    put(work / "block-00000.h5", part);
    try {
      const Journal journal = open();
      if (journal.messages().empty()) {  // blank space, say
        ASSERT_THAT(blocks_of(journal), ElementsAre(0)) << at;
        ASSERT_EQ(journal.finished().at(0).report, json({{"loss_last", 0.0}})) << at;
      }
    } catch (const Unsupported&) {  // the version's digit
    }
  }
}

TEST_F(JournalTest, NamesThatLeadElsewhereAreDamage) {
  calib::JournalContent content{kIdentity, {}};
  content.blocks[0] = {0, {"../secret", std::string(64, 'a')}, {}, nullptr};
  EXPECT_THAT(error_text<FormatError>([&] { calib::parse_journal(calib::journal_text(content), "j"); }),
              HasSubstr("'../secret' is not a file name"));
}

TEST_F(JournalTest, AnotherRunsFolderIsRefusedWithTheDifference) {
  run_blocks(1);
  const std::string before = read_file(work / "journal.json");
  json other = kIdentity;
  other["options"]["bits"] = 3;
  EXPECT_EQ(error_text<InvalidArgument>([&] { open(other); }),
            (work / "journal.json").string() +
                " belongs to another run: options.bits 2 there, 3 here; use --restart to discard it, or "
                "another --work-dir");
  EXPECT_EQ(read_file(work / "journal.json"), before);
  EXPECT_TRUE(fs::exists(work / "block-00000.h5"));

  const Journal journal = open(other, true);
  EXPECT_THAT(blocks_of(journal), testing::IsEmpty());
  EXPECT_THAT(files(), UnorderedElementsAre("apiq.lock", "journal.json"));
}

TEST_F(JournalTest, AFolderWithoutFinishedBlocksBelongsToNobody) {
  run_blocks(0);
  json other = kIdentity;
  other["options"]["bits"] = 3;
  {
    Journal journal = open(other);
    finish(journal, 0);
  }
  EXPECT_THAT(blocks_of(open(other)), ElementsAre(0));
  EXPECT_THROW(open(), InvalidArgument);
}

TEST_F(JournalTest, ANewerProgramsFolderIsRefused) {
  run_blocks(1);
  json journal = json::parse(read_file(work / "journal.json"));
  journal["version"] = 2;
  put(work / "journal.json", journal.dump());
  EXPECT_THAT(error_text<Unsupported>([&] { open(); }), HasSubstr("journal of version 2"));
  EXPECT_TRUE(fs::exists(work / "block-00000.h5"));
  EXPECT_NO_THROW(open(kIdentity, true));
}

TEST(IdentityDifference, NamesAHandfulOfKeys) {
  using calib::identity_difference;
  EXPECT_EQ(identity_difference(kIdentity, kIdentity), "");
  EXPECT_EQ(identity_difference({{"a", 0.1f}}, {{"a", 0.1f}}), "");
  EXPECT_EQ(
      identity_difference({{"a", "x"}, {"b", json::array({1, 2})}}, {{"b", json::array({1})}, {"c", ""}}),
      "a x there, absent here; b [1,2] there, [1] here; c absent there, empty here");
  EXPECT_EQ(identity_difference({{"a", std::string(60, 'x') + "1"}}, {{"a", std::string(60, 'x') + "2"}}),
            "a differs");
  json many, none = json::object();
  for (int i = 0; i < 8; ++i) many["k" + std::to_string(i)] = i;
  EXPECT_THAT(identity_difference(many, none),
              AllOf(HasSubstr("k4 4 there, absent here; and 3 more"), Not(HasSubstr("k5"))));
  EXPECT_NO_THROW(identity_difference({{"path", "\xff"}}, {{"path", "\xfe"}}));
}

TEST_F(JournalTest, OneProcessAtATime) {
  {
    const Journal journal = open();
    EXPECT_EQ(error_text<IoError>([&] { open(); }),
              work.string() + ": process " + std::to_string(::getpid()) +
                  " is working in this folder; wait for it to end, or choose another --work-dir");
  }
  EXPECT_NO_THROW(open());
}

TEST_F(JournalTest, ALockOfADeadProcessLocksNothing) {
  run_blocks(1);
  put(work / "apiq.lock", "1\n");
  EXPECT_THAT(blocks_of(open()), ElementsAre(0));
}

TEST_F(JournalTest, ForeignFoldersAreNeverTouched) {
  fs::create_directories(work);
  put(work / "block-letters.txt", "mine");
  EXPECT_THAT(
      error_text<InvalidArgument>([&] { open(); }),
      AllOf(StartsWith(work.string() + ": holds files, 'block-letters.txt' say"), HasSubstr("--work-dir")));
  put(work / "journal.json", R"({"name": "of another program"})");
  for (const bool restart : {false, true}) EXPECT_THROW(open(kIdentity, restart), InvalidArgument);
  EXPECT_THAT(files(), UnorderedElementsAre("block-letters.txt", "journal.json"));
  put(folder.path() / "file", "");
  EXPECT_THAT(error_text<InvalidArgument>([&] { Journal::open(folder.path() / "file", kIdentity, false); }),
              HasSubstr("is not a folder"));
  EXPECT_THROW(Journal::open(folder.path() / "file" / "below", kIdentity, false), IoError);
}

TEST_F(JournalTest, ACompleteRunLeavesNothing) {
  run_blocks(2);
  open().remove_all();
  EXPECT_FALSE(fs::exists(work));
  run_blocks(1);
  put(work / "notes.txt", "mine");
  open().remove_all();
  EXPECT_THAT(files(), ElementsAre("notes.txt"));
}

TEST_F(JournalTest, FullDiskKeepsWhatWasRecorded) {
  run_blocks(2);
  const std::string before = read_file(work / "journal.json");
  Journal journal = open();
  const int status =
      test::status_on_full_disk(work / "journal.json", before.size() / 2, [&] { finish(journal, 2, false); });
  EXPECT_EQ(status, 0);
  EXPECT_EQ(read_file(work / "journal.json"), before);
}

}  // namespace
}  // namespace apiq
