// What PoCL's thread pool has to be told before the first OpenCL call.
#pragma once

namespace apiq::runtime {

/// Binds each of PoCL's threads to a core of its own, unless the environment (POCL_AFFINITY) already says
/// something or this process may not use every core. Without it the scheduler may leave two of them on one
/// core for some 70 ms after other threads ran, at half the speed. Sets an environment variable, so call it
/// before threads are started; other drivers do not read it.
void bind_pocl_threads();

}  // namespace apiq::runtime
