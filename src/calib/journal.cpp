#include "calib/journal.hpp"

#include <cstdio>
#include <set>

#include "apiq/error.hpp"
#include "calib/run_identity.hpp"
#include "util/atomic_file.hpp"
#include "util/lock_file.hpp"
#include "util/sha256.hpp"
#include "util/text.hpp"

namespace apiq::calib {

namespace fs = std::filesystem;

namespace {

constexpr const char* kLockName = "apiq.lock";
constexpr const char* kJournalName = "journal.json";
constexpr const char* kPartPrefix = "block-";
constexpr const char* kActivationPrefix = "activations-";

std::string numbered(const char* prefix, std::uint32_t block) {
  char text[40];
  std::snprintf(text, sizeof text, "%s%05u", prefix, block);
  return text;
}

std::string record_problem(const fs::path& folder, const FileRecord& file) {
  const fs::path path = folder / file.name;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return path.string() + " is missing";
  return sha256_of_file(path) == file.sha256 ? "" : path.string() + " is damaged";
}

/// A folder that was never a work directory is not touched, whatever the user typed.
void check_ours(const fs::path& folder) {
  if (!fs::exists(folder)) return;
  if (!fs::is_directory(folder))
    throw InvalidArgument(folder.string() +
                          ": is not a folder; expected one for the state of the run (--work-dir)");
  if (fs::is_empty(folder) || fs::exists(folder / kLockName)) return;
  const fs::path journal = folder / kJournalName;
  if (fs::exists(journal)) {
    try {
      parse_journal(read_file(journal), journal.string());
      return;
    } catch (const FormatError&) {  // some other program's
    } catch (const Unsupported&) {
      return;  // ours, of another version
    }
  }
  throw InvalidArgument(folder.string() + ": holds files, '" +
                        fs::directory_iterator(folder)->path().filename().string() +
                        "' say, but no journal of a run; choose a new or empty folder for --work-dir");
}

}  // namespace

struct Journal::State {
  explicit State(const fs::path& path) : folder(path), lock(path / kLockName) {}

  fs::path journal_path() const { return folder / kJournalName; }
  std::optional<std::uint32_t> saved() const;
  void load(const nlohmann::json& identity);
  void check_files();
  void write(const JournalContent& next) const { write_file_atomically(journal_path(), journal_text(next)); }
  std::set<std::string> needed() const;
  void remove_strays() const;

  fs::path folder;
  LockFile lock;
  JournalContent content;
  std::vector<std::string> messages;
};

std::optional<std::uint32_t> Journal::State::saved() const {
  for (auto it = content.blocks.rbegin(); it != content.blocks.rend(); ++it)
    if (!it->second.activations.empty()) return it->first;
  return std::nullopt;
}

/// Leaves content empty if there is nothing that can be used.
void Journal::State::load(const nlohmann::json& identity) {
  const fs::path path = journal_path();
  if (!fs::exists(path)) return;
  JournalContent found;
  try {
    found = parse_journal(read_file(path), path.string());
  } catch (const FormatError& error) {
    messages.push_back(std::string(error.what()) + "; starting over");
    return;
  }
  if (found.blocks.empty()) return;  // nothing to lose, so nothing to refuse
  const std::string difference = identity_difference(found.identity, identity);
  if (!difference.empty())
    throw InvalidArgument(path.string() + " belongs to another run: " + difference + "; " +
                          way_back(difference) + "use --restart to discard it, or another --work-dir");
  content = std::move(found);
  check_files();
}

void Journal::State::check_files() {
  for (auto it = content.blocks.begin(); it != content.blocks.end();) {
    const std::string problem = record_problem(folder, it->second.part);
    if (!problem.empty())
      messages.push_back(problem + "; block " + std::to_string(it->first) + " is done again");
    it = problem.empty() ? std::next(it) : content.blocks.erase(it);
  }
  const auto latest = saved();
  if (!latest) return;
  for (const FileRecord& file : content.blocks.at(*latest).activations) {
    const std::string problem = record_problem(folder, file);
    if (problem.empty()) continue;
    messages.push_back(problem + "; the activations after block " + std::to_string(*latest) +
                       " are computed again");
    content.blocks.at(*latest).activations.clear();
    return;
  }
}

/// Names of the files that the journal names.
std::set<std::string> Journal::State::needed() const {
  std::set<std::string> names;
  for (const auto& [block, entry] : content.blocks) {
    names.insert(entry.part.name);
    for (const FileRecord& file : entry.activations) names.insert(file.name);
  }
  return names;
}

/// Everything of ours that is not needed. Only while nobody writes: files in the making look like strays.
void Journal::State::remove_strays() const {
  std::set<std::string> keep = needed();
  if (!content.identity.is_null()) keep.insert(kJournalName);
  std::error_code ignored;  // a file that stays is in nobody's way
  for (const auto& file : fs::directory_iterator(folder, ignored)) {
    const std::string name = file.path().filename().string();
    const bool ours = name.starts_with(kPartPrefix) || name.starts_with(kActivationPrefix) ||
                      name.starts_with(kJournalName);
    if (ours && !keep.contains(name)) fs::remove(file.path(), ignored);
  }
}

Journal::Journal(std::unique_ptr<State> state) : state_(std::move(state)) {}
Journal::~Journal() = default;
Journal::Journal(Journal&&) noexcept = default;

Journal Journal::open(const fs::path& folder, const nlohmann::json& identity, bool restart) {
  try {
    check_ours(folder);
    fs::create_directories(folder);
  } catch (const fs::filesystem_error& error) {
    throw IoError(folder.string() + ": cannot be used as work directory: " + error.code().message());
  }
  auto state = std::make_unique<State>(folder);
  if (!state->lock.held())
    throw IoError(folder.string() + ": process " + std::to_string(state->lock.owner()) +
                  " is working in this folder; wait for it to end, or choose another --work-dir");
  if (!restart) state->load(identity);
  state->content.identity = normalized(identity);
  state->write(state->content);  // before anything goes: killed here, the next run finds a journal that names
                                 // only what exists
  state->remove_strays();
  return Journal(std::move(state));
}

const fs::path& Journal::folder() const { return state_->folder; }
const std::map<std::uint32_t, JournalEntry>& Journal::finished() const { return state_->content.blocks; }
std::optional<std::uint32_t> Journal::saved_activations() const { return state_->saved(); }
const std::vector<std::string>& Journal::messages() const { return state_->messages; }
fs::path Journal::part_path(std::uint32_t block) const {
  return state_->folder / (numbered(kPartPrefix, block) + ".h5");
}
fs::path Journal::activation_path(std::uint32_t block, const std::string& stream) const {
  return state_->folder / (numbered(kActivationPrefix, block) + "-" + stream + ".f32");
}

void Journal::add(JournalEntry entry) {
  JournalContent next = state_->content;
  std::set<std::string> unneeded = state_->needed();
  for (const FileRecord& file : entry.activations) unneeded.insert(file.name);
  entry.report = normalized(entry.report);  // as a later run will read it
  const std::uint32_t block = entry.block;
  next.blocks[block] = std::move(entry);
  bool newer = false;
  for (auto it = next.blocks.rbegin(); it != next.blocks.rend(); ++it) {
    if (newer) it->second.activations.clear();
    newer = newer || !it->second.activations.empty();
  }
  state_->write(next);
  state_->content = std::move(next);
  for (const std::string& name : state_->needed()) unneeded.erase(name);
  std::error_code ignored;
  for (const std::string& name : unneeded) fs::remove(state_->folder / name, ignored);
}

void Journal::remove_all() {
  std::error_code ignored;
  // The journal first: killed between two removals, the rest is strays to the next run.
  fs::remove(state_->journal_path(), ignored);
  state_->content = {};
  state_->remove_strays();
  state_->lock.remove();
  fs::remove(state_->folder, ignored);  // fails if something else lies in it
}

}  // namespace apiq::calib
