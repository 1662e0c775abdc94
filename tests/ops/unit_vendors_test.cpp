// The fragments of AMD's and Intel's units, executed by an emulated instruction whose registers are described
// the other way round (cl/lib/unit_*_layout.h): a mistake in either shows as a misplaced element.
#include <gmock/gmock.h>

#include "cases/device_fixture.hpp"
#include "ops/fast_path/unit_check.hpp"

namespace apiq {
namespace {

using runtime::InputType;
using runtime::MatrixUnit;

class VendorUnit : public ::testing::TestWithParam<MatrixUnit> {};

TEST_P(VendorUnit, PutsEveryElementInItsPlace) {
  EXPECT_EQ(ops::check_unit(testing::shared_queue(), {GetParam(), InputType::bf16}), "");
}

INSTANTIATE_TEST_SUITE_P(Emulated, VendorUnit,
                         ::testing::Values(MatrixUnit::emulated, MatrixUnit::emulated_amd_mfma,
                                           MatrixUnit::emulated_amd_wmma, MatrixUnit::emulated_amd_wmma12,
                                           MatrixUnit::emulated_intel_dpas8,
                                           MatrixUnit::emulated_intel_dpas16),
                         [](const auto& row) { return std::string(runtime::name_of(row.param)); });

TEST(VendorUnits, HaveTheSizesOfTheirEmulations) {
  const auto size = [](MatrixUnit unit) {
    const ops::UnitSize s = ops::unit_size(unit);
    return std::vector<unsigned>{s.lanes, s.rows, s.columns, s.steps, s.a_words, s.b_words};
  };
  EXPECT_EQ(size(MatrixUnit::amd_mfma), size(MatrixUnit::emulated_amd_mfma));
  EXPECT_EQ(size(MatrixUnit::amd_wmma), size(MatrixUnit::emulated_amd_wmma));
  EXPECT_EQ(size(MatrixUnit::amd_wmma12), size(MatrixUnit::emulated_amd_wmma12));
  EXPECT_EQ(size(MatrixUnit::intel_dpas8), size(MatrixUnit::emulated_intel_dpas8));
  EXPECT_EQ(size(MatrixUnit::intel_dpas16), size(MatrixUnit::emulated_intel_dpas16));
}

}  // namespace
}  // namespace apiq
