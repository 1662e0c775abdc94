// How long-running calls tell their caller what they do, and how the caller stops them.
#pragma once
#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

namespace apiq {

struct Progress {
  std::string stage;       // "block 3/6 mlp.down_proj"
  std::uint64_t done = 0;  // units of work finished, of the whole call
  std::uint64_t total = 0;
  double seconds = 0;  // since the call began
};

/// Any part may be left empty. Functions are called on the caller's thread.
struct Callbacks {
  std::function<void(const Progress&)> progress;    // often; must be quick
  std::function<void(const std::string&)> message;  // one line worth keeping: a finished block, a warning
  const std::atomic<bool>* stop = nullptr;          // set: the call throws Interrupted at the next safe point
};

}  // namespace apiq
