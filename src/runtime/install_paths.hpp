// Where the installed data files are, found from the place of the library itself so that a moved tree keeps
// working.
#pragma once
#include <filesystem>
#include <vector>

#include "util/environment.hpp"

namespace apiq::runtime {

/// <prefix>/share/apiq/tuning beside the library, or data/tuning of the checkout a build tree lies in.
std::filesystem::path tuning_folder();

/// Where apiq-tune writes unless told otherwise: $APIQ_TUNING_DIR, else $XDG_DATA_HOME/apiq/tuning, else
/// ~/.local/share/apiq/tuning; empty if none is known.
std::filesystem::path user_tuning_folder(const Environment& environment);

/// Where tuning files are looked for, the first before the second: the user's folder, then tuning_folder().
/// $APIQ_TUNING_DIR replaces both.
std::vector<std::filesystem::path> tuning_folders(const Environment& environment);

/// $APIQ_CACHE_DIR, else $XDG_CACHE_HOME/apiq, else ~/.cache/apiq; empty, and then no cache is kept, if none
/// is known or $APIQ_CACHE_DIR is set to nothing.
std::filesystem::path cache_folder(const Environment& environment);

}  // namespace apiq::runtime
