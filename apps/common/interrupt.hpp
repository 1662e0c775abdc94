// Ctrl-C: the first one asks the running call to stop at a safe point, the second one ends the process.
#pragma once
#include <atomic>

namespace apiq::apps {

/// Installs the handler for SIGINT and SIGTERM (once) and returns the flag it sets.
const std::atomic<bool>* stop_on_interrupt();

}  // namespace apiq::apps
