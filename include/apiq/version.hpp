// Which build this is.
#pragma once
#include <string>

namespace apiq {

/// Semantic version of the library, "0.1.0".
const char* version();

/// Abbreviated git commit of the build; "+" at the end if the tree had changes, "unknown" outside a checkout.
const char* commit();

/// "OpenCL headers 3.0, HDF5 1.10.8": what this build stands on, for --version.
std::string library_versions();

}  // namespace apiq
