#include "runtime/pocl_threads.hpp"

#include <sched.h>
#include <unistd.h>

#include <cstdlib>

namespace apiq::runtime {

namespace {

// PoCL binds thread i to core i whatever the process may use: right only if it may use all.
bool may_use_every_core() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const long cores = ::sysconf(_SC_NPROCESSORS_ONLN);
  if (cores < 1 || cores > CPU_SETSIZE || ::sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
    return false;
  for (long core = 0; core < cores; ++core)
    if (!CPU_ISSET(static_cast<unsigned>(core), &allowed)) return false;
  return true;
}

}  // namespace

void bind_pocl_threads() {
  if (may_use_every_core()) ::setenv("POCL_AFFINITY", "1", 0);
}

}  // namespace apiq::runtime
