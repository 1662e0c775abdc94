// $APIQ_FAST_PATHS: which fast paths may be tried, and which are used even where they are slower.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace apiq::runtime {

class FastPathSetting {
 public:
  /// Words with commas between them:
  ///   ""  or auto   every path that passes its gate is tried and used where it is faster
  ///   all           every such path is used where it gives right results, even if it is slower
  ///   none          no path is tried
  ///   X             as `all`, but only the paths named; -X: as auto, without the paths named
  /// X is a path ("nv_mma.bf16") or all of a kind ("nv_mma"). Throws InvalidArgument for a word that names
  /// none of `known`, and for lists that mix what excludes each other.
  static FastPathSetting parse(std::string_view text, const std::vector<std::string>& known);

  /// May be tried. by_name_only: paths for tests, which must be named.
  bool allows(std::string_view path, bool by_name_only = false) const;
  /// Used where right, whatever its speed.
  bool forces(std::string_view path) const;
  const std::string& text() const { return text_; }

 private:
  enum class Mode { automatic, all, none, only, except };
  bool named(std::string_view path) const;

  Mode mode_ = Mode::automatic;
  std::vector<std::string> names_;
  std::string text_;
};

}  // namespace apiq::runtime
