#include <array>

#include "family/family.hpp"

namespace apiq {

extern const Family kLlama, kMistral;

namespace {

constexpr std::array kFamilies = {
    &kLlama,
    &kMistral,
};

}  // namespace

std::span<const Family* const> families() { return kFamilies; }

}  // namespace apiq
