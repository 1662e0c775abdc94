// Uses the installed library as a stranger would: version, methods, devices, and an error that crosses the
// library's border.
#include <cstdio>

#include "apiq/device.hpp"
#include "apiq/error.hpp"
#include "apiq/quantize.hpp"
#include "apiq/version.hpp"

int main() {
  std::printf("apiq %s, commit %s, %zu devices\n", apiq::version(), apiq::commit(),
              apiq::list_devices().size());
  if (apiq::list_methods().empty()) return 1;
  try {
    apiq::Device::open({.selector = "no device has this name"});
  } catch (const apiq::Unsupported& error) {
    std::printf("as expected: %s\n", error.what());
    return 0;
  }
  return 1;
}
