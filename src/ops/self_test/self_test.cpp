// apiq::self_test: all cases in turn. A case that throws (a kernel the device's compiler refuses, say) is a
// failed row, and the next one still runs: the list is the answer.
#include "apiq/self_test.hpp"

#include <cmath>

#include "apiq/error.hpp"
#include "ops/self_test/cases.hpp"

namespace apiq {

namespace {

SelfTestRow run_case(ops::self_test::Queue& queue, const ops::self_test::Case& test) {
  SelfTestRow row;
  row.kernel = test.kernel;
  row.detail = test.detail;
  try {
    const ops::self_test::Measure measure = test.run(queue);
    row.error = measure.error;
    row.tolerance = measure.tolerance;
    row.passed = measure.error <= measure.tolerance;  // false for NaN
  } catch (const Error& error) {
    row.error = NAN;
    row.message = error.what();
  }
  return row;
}

}  // namespace

std::vector<SelfTestRow> self_test(Device& device, const std::function<void(const SelfTestRow&)>& on_row) {
  std::vector<SelfTestRow> rows;
  for (const auto& cases :
       {ops::self_test::matmul_cases(), ops::self_test::packed_cases(), ops::self_test::quant_cases(),
        ops::self_test::nn_cases(), ops::self_test::loss_cases()}) {
    for (const ops::self_test::Case& test : cases) {
      rows.push_back(run_case(device.impl().queue(), test));
      if (on_row) on_row(rows.back());
    }
  }
  return rows;
}

}  // namespace apiq
