// Stopping on request, between any two pieces of work that take long.
#pragma once
#include "apiq/error.hpp"
#include "apiq/progress.hpp"

namespace apiq {

/// Throws Interrupted if the caller asked to stop. Where finished blocks are kept, quantize() says so
/// instead.
inline void throw_if_stopped(const Callbacks& callbacks) {
  if (callbacks.stop != nullptr && callbacks.stop->load())
    throw Interrupted("interrupted; nothing was finished, so nothing was kept");
}

}  // namespace apiq
