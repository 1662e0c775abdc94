// Where the installed data files are, found from the place of the library itself so that a moved tree keeps working.
#pragma once
#include <filesystem>

namespace apiq::runtime {

/// <prefix>/share/apiq/tuning beside the library, or data/tuning of the checkout a build tree lies in.
std::filesystem::path tuning_folder();

/// $APIQ_CACHE_DIR, else $XDG_CACHE_HOME/apiq, else ~/.cache/apiq; empty if none is known (no cache is kept then).
std::filesystem::path cache_folder();

}  // namespace apiq::runtime
