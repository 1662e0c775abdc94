// journal.json as text: what a run has finished, and of which run it is (docs/work-directory.md).
#pragma once
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace apiq::calib {

/// A file of the work directory and what it must contain.
struct FileRecord {
  std::string name, sha256;
};

/// One finished block.
struct JournalEntry {
  std::uint32_t block = 0;
  FileRecord part;
  std::vector<FileRecord> activations;  // both streams after this block; empty if not kept
  nlohmann::json report;                // what was measured
};

struct JournalContent {
  nlohmann::json identity;
  std::map<std::uint32_t, JournalEntry> blocks;
};

/// Indented, with a checksum over everything else in it. Equal content gives equal text.
std::string journal_text(const JournalContent& content);
/// Throws FormatError (damaged in any way) or Unsupported (another version); `where` names the file.
JournalContent parse_journal(std::string_view text, const std::string& where);

/// What JSON text keeps of a value: identities are compared in this form.
nlohmann::json normalized(const nlohmann::json& value);
/// "options.bits 2 there, 3 here; ...": the keys whose values differ, at most a handful of them; "" if none
/// does.
std::string identity_difference(const nlohmann::json& there, const nlohmann::json& here);

}  // namespace apiq::calib
