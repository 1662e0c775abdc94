// Which build this is.
#pragma once

namespace apiq {

/// Semantic version of the library, "0.1.0".
const char* version();

/// Abbreviated git commit of the build; "+" at the end if the tree had changes, "unknown" outside a checkout.
const char* commit();

}  // namespace apiq
