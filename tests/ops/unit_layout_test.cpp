// The fragments that unit_nv_mma.h loads, held against the tables of the PTX ISA ("Matrix Fragments for
// mma.m16n8k16 with floating point type"), written down here a second time, in the direction lane and
// register -> element, and executed on the host. The emulated instruction in cl/lib has them the other way
// round.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "apiq/error.hpp"
#include "cases/device_fixture.hpp"
#include "ops/unit_probe.hpp"

namespace apiq {
namespace {

using namespace testing;
using runtime::InputType;
using runtime::MatrixUnit;
using runtime::UnitMode;

constexpr unsigned kM = 16, kN = 8, kK = 16, kLanes = 32, kAWords = 4, kBWords = 2, kStep = kAWords + kBWords,
                   kWords = 2 * kStep + 1;

struct Element {
  unsigned row, column;
};

// Element i of a lane's A (8 halves), B (4 halves; row is k) and C (4 floats).
Element a_element(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, in_group = lane % 4;
  return {i < 2 || (4 <= i && i < 6) ? group : group + 8,
          i < 4 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8};
}
Element b_element(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? in_group * 2 + (i & 1) : in_group * 2 + (i & 1) + 8, group};
}
Element c_element(unsigned lane, unsigned i) {
  const unsigned group = lane >> 2, in_group = lane % 4;
  return {i < 2 ? group : group + 8, in_group * 2 + (i & 1)};
}

/// The 16-bit operands of instruction `step` as the tables place them.
struct Operands {
  std::uint16_t a[kM][kK], b[kK][kN];
};
Operands operands(const std::vector<std::uint32_t>& fragments, unsigned step) {
  Operands out{};
  for (unsigned lane = 0; lane < kLanes; ++lane) {
    const std::uint32_t *a = &fragments[lane * kWords + step * kStep], *b = a + kAWords;
    for (unsigned i = 0; i < 8; ++i) {
      const Element at = a_element(lane, i);
      out.a[at.row][at.column] = static_cast<std::uint16_t>(a[i / 2] >> (i % 2 * 16));
    }
    for (unsigned i = 0; i < 4; ++i) {
      const Element at = b_element(lane, i);
      out.b[at.row][at.column] = static_cast<std::uint16_t>(b[i / 2] >> (i % 2 * 16));
    }
  }
  return out;
}

/// Every position has a number of its own: line * 32 + k. What an instruction pairs must be the same k of the
/// lines it should be.
class UnitLayout : public ::testing::TestWithParam<int> {
 protected:
  UnitMode mode() const { return {MatrixUnit::emulated, InputType::f16, GetParam()}; }
};
INSTANTIATE_TEST_SUITE_P(Loads, UnitLayout, ::testing::Values(1, 2));

TEST_P(UnitLayout, FragmentsPairTheSameKOfTheRightLines) {
  std::vector<std::uint16_t> a(kM * ops::kSlab), b(kN * ops::kSlab);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = static_cast<std::uint16_t>(i);
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = static_cast<std::uint16_t>(i);
  const ops::UnitProbe probe = ops::probe_unit(shared_queue(), mode(), a, b);
  std::multiset<unsigned> seen;
  for (unsigned step = 0; step < 2; ++step) {
    const Operands x = operands(probe.fragments, step);
    for (unsigned k = 0; k < kK; ++k) {
      const unsigned which = x.a[0][k] % ops::kSlab;
      seen.insert(which);
      for (unsigned row = 0; row < kM; ++row)
        EXPECT_EQ(x.a[row][k], row * ops::kSlab + which) << "step " << step << " row " << row << " k " << k;
      for (unsigned column = 0; column < kN; ++column)
        EXPECT_EQ(x.b[k][column], column * ops::kSlab + which) << "step " << step << " column " << column;
    }
  }
  for (unsigned k = 0; k < ops::kSlab; ++k) EXPECT_EQ(seen.count(k), 1u) << "k " << k;
  for (unsigned lane = 0; lane < kLanes; ++lane) EXPECT_EQ(probe.fragments[lane * kWords + kWords - 1], lane);
}

/// c of the emulated unit, and where its lanes put it, against the tables executed here: exact, since all
/// numbers are small integers.
TEST_P(UnitLayout, ProductIsThatOfTheTables) {
  std::vector<std::uint16_t> a(2 * kM * ops::kSlab), b(2 * kN * ops::kSlab);
  const auto integer = [](std::size_t i, unsigned spread) {
    return static_cast<float>((i * 7919) % spread) - static_cast<float>(spread / 2);
  };
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = float_to_half(integer(i, 61));
  for (std::size_t i = 0; i < b.size(); ++i) b[i] = float_to_half(integer(i, 53));
  const ops::UnitProbe probe = ops::probe_unit(shared_queue(), mode(), a, b);
  for (unsigned row = 0; row < kM; ++row)
    for (unsigned column = 0; column < kN; ++column) {
      double want = 0;
      for (std::size_t slab = 0; slab < 2; ++slab)
        for (unsigned k = 0; k < ops::kSlab; ++k)
          want += static_cast<double>(half_to_float(a[(slab * kM + row) * ops::kSlab + k])) *
                  half_to_float(b[(slab * kN + column) * ops::kSlab + k]);
      ASSERT_EQ(probe.c[row * kN + column], want) << row << ", " << column;
    }

  // The last slab alone, by the tables: what a device's instruction does with these registers.
  const std::vector<std::uint16_t> last_a(a.begin() + kM * ops::kSlab, a.end()),
      last_b(b.begin() + kN * ops::kSlab, b.end());
  const ops::UnitProbe last = ops::probe_unit(shared_queue(), mode(), last_a, last_b);
  for (unsigned lane = 0; lane < kLanes; ++lane)
    for (unsigned i = 0; i < 4; ++i) {
      const Element at = c_element(lane, i);
      double want = 0;
      for (unsigned step = 0; step < 2; ++step) {
        const Operands x = operands(probe.fragments, step);
        for (unsigned k = 0; k < kK; ++k)
          want += static_cast<double>(half_to_float(x.a[at.row][k])) * half_to_float(x.b[k][at.column]);
      }
      ASSERT_EQ(last.c[at.row * kN + at.column], want) << "lane " << lane << " register " << i;
    }
}

TEST(UnitProbe, WhatHasNoProgramIsRefusedByName) {
  const std::vector<std::uint16_t> none;
  EXPECT_THROW(ops::probe_unit(shared_queue(), {MatrixUnit::none, InputType::f16}, none, none), Unsupported);
  EXPECT_THROW(ops::probe_unit(shared_queue(), {MatrixUnit::emulated, InputType::f16}, none, none),
               ShapeError);
}

}  // namespace
}  // namespace apiq
