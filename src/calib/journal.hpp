// The state of a run in its work directory: which blocks are finished, in which part files, and the
// activations after the last of them, so that the same command goes on where a killed run stopped.
// docs/work-directory.md is the specification.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "calib/journal_file.hpp"

namespace apiq::calib {

/// One owner per work directory, held by a lock until destruction. Not for several threads at once.
class Journal {
 public:
  /// Creates the folder, locks it, and loads what an earlier run with this identity finished. Every part
  /// file, and the activations last saved, are compared with their sha256: what is missing or damaged is
  /// forgotten and named in messages(), and a journal that is damaged as a whole is a fresh start. Files of
  /// ours that the journal does not name, such as those a killed run was writing, are removed; other files
  /// are left alone.
  ///   identity   everything that determines the bytes of the result; nested objects are fine
  ///   restart    discards what is there instead of loading it
  /// Throws InvalidArgument if the journal has finished blocks of another identity (the text lists what
  /// differs), if the folder holds files but was never a work directory, or is no folder; IoError if another
  /// process works in it, or if it cannot be read or written.
  static Journal open(const std::filesystem::path& folder, const nlohmann::json& identity, bool restart);
  ~Journal();  // unlocks; the state stays for the next run
  Journal(Journal&&) noexcept;

  const std::filesystem::path& folder() const;
  /// Blocks whose part files are intact, by index. A damaged part leaves a gap.
  const std::map<std::uint32_t, JournalEntry>& finished() const;
  /// The finished block after which both streams are saved and intact: the latest that had any.
  std::optional<std::uint32_t> saved_activations() const;
  /// What open() found wrong, one line each, for the user.
  const std::vector<std::string>& messages() const;

  /// "block-00003.h5", "activations-00003-full.f32": the names that files of block 3 must have to be known as
  /// ours. While such a file is written it may be called so with any ending.
  std::filesystem::path part_path(std::uint32_t block) const;
  std::filesystem::path activation_path(std::uint32_t block, const std::string& stream) const;

  /// Records a block whose files are complete. Then removes the activation files that are no longer needed:
  /// only those of the highest block that has any are kept. Throws IoError (disk full, say), having changed
  /// nothing.
  void add(JournalEntry entry);
  /// The run is complete: removes our files, the journal first, and the folder unless something else lies in
  /// it.
  void remove_all();

 private:
  struct State;
  explicit Journal(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace apiq::calib
