#include <array>

#include "family/family.hpp"

namespace apiq {

extern const Family kLlama, kMistral, kQwen2, kQwen3;

namespace {

constexpr std::array kFamilies = {
    &kLlama,
    &kMistral,
    &kQwen2,
    &kQwen3,
};

}  // namespace

std::span<const Family* const> families() { return kFamilies; }

}  // namespace apiq
