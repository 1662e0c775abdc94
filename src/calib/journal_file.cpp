#include "calib/journal_file.hpp"

#include <algorithm>

#include "apiq/error.hpp"
#include "util/json.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq::calib {

using nlohmann::json;

namespace {

constexpr const char* kFormat = "apiq-journal";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kMaxDifferences = 5;
constexpr std::size_t kMaxJournalBytes = std::size_t{256} << 20;

/// Bytes of a path that are not UTF-8 are replaced, not refused.
std::string dump(const json& value, int indent = -1) {
  return value.dump(indent, ' ', false, json::error_handler_t::replace);
}

json record_json(const FileRecord& file) { return {{"file", file.name}, {"sha256", file.sha256}}; }

/// Names are joined to the work directory, so they must not lead out of it.
FileRecord parse_record(const json& value) {
  FileRecord file{value.at("file").get<std::string>(), value.at("sha256").get<std::string>()};
  if (file.name.empty() || file.name.front() == '.' || file.name.find('/') != std::string::npos)
    throw FormatError("'" + excerpt(file.name) + "' is not a file name");
  return file;
}

JournalEntry parse_entry(const json& value) {
  JournalEntry entry;
  entry.block = value.at("block").get<std::uint32_t>();
  entry.part = parse_record(value.at("part"));
  for (const json& file : value.at("activations")) entry.activations.push_back(parse_record(file));
  entry.report = value.at("report");
  return entry;
}

void flatten(const std::string& key, const json& value, std::map<std::string, std::string>& out) {
  if (!value.is_object()) {
    out[key] = value.is_string() ? value.get<std::string>() : dump(value);
    return;
  }
  for (const auto& [name, child] : value.items()) flatten(key.empty() ? name : key + "." + name, child, out);
}

std::string difference_of(const std::string& key, const std::string* there, const std::string* here) {
  constexpr std::size_t kMaxValue = 40;
  const auto shown = [](const std::string* value) {
    return value == nullptr ? "absent" : value->empty() ? "empty" : excerpt(*value, kMaxValue);
  };
  const std::string a = shown(there), b = shown(here);
  return a == b ? key + " differs" : key + " " + a + " there, " + b + " here";
}

}  // namespace

std::string journal_text(const JournalContent& content) {
  json blocks = json::array();
  for (const auto& [block, entry] : content.blocks) {
    json activations = json::array();
    for (const FileRecord& file : entry.activations) activations.push_back(record_json(file));
    blocks.push_back({{"block", block},
                      {"part", record_json(entry.part)},
                      {"activations", activations},
                      {"report", entry.report}});
  }
  // Through text and back, so that the checksum is of what a reader will find.
  json journal = normalized(
      {{"format", kFormat}, {"version", kVersion}, {"identity", content.identity}, {"blocks", blocks}});
  journal["checksum"] = sha256_of(dump(journal));
  return dump(journal, 1) + "\n";
}

JournalContent parse_journal(std::string_view text, const std::string& where) {
  json journal = parse_json(text, where, kMaxJournalBytes);
  try {
    if (journal.at("format") != kFormat) throw FormatError("is not a journal of this program");
    if (journal.at("version") != kVersion)
      throw Unsupported(where + ": is a journal of version " + dump(journal.at("version")) +
                        "; this program reads version " + std::to_string(kVersion) +
                        "; use --restart to discard it, or another --work-dir");
    const std::string checksum = journal.at("checksum").get<std::string>();
    journal.erase("checksum");
    if (sha256_of(dump(journal)) != checksum) throw FormatError("does not match its checksum");
    JournalContent content{journal.at("identity"), {}};
    for (const json& value : journal.at("blocks")) {
      JournalEntry entry = parse_entry(value);
      content.blocks[entry.block] = std::move(entry);
    }
    return content;
  } catch (const json::exception& error) {
    throw FormatError(where + ": is not a journal: " + error.what());
  } catch (const FormatError& error) {
    throw FormatError(where + ": " + error.what());
  }
}

json normalized(const json& value) { return json::parse(dump(value)); }

std::string identity_difference(const json& there, const json& here) {
  std::map<std::string, std::string> a, b, keys;
  flatten("", normalized(there), a);
  flatten("", normalized(here), b);
  keys.insert(a.begin(), a.end());
  keys.insert(b.begin(), b.end());
  std::vector<std::string> differences;
  for (const auto& [key, unused] : keys) {
    const auto at = a.find(key), bt = b.find(key);
    const std::string *x = at == a.end() ? nullptr : &at->second, *y = bt == b.end() ? nullptr : &bt->second;
    if (x == nullptr || y == nullptr || *x != *y) differences.push_back(difference_of(key, x, y));
  }
  if (differences.size() > kMaxDifferences) {
    const std::size_t more = differences.size() - kMaxDifferences;
    differences.resize(kMaxDifferences);
    differences.push_back("and " + std::to_string(more) + " more");
  }
  return join(differences, "; ");
}

}  // namespace apiq::calib
