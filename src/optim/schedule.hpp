// Learning rates over the steps of a training.
#pragma once
#include <cstdint>

#include "apiq/method_options.hpp"

namespace apiq::optim {

/// Factor of a learning rate at step t of total, t from 0: cosine falls from 1 to 0.02.
double rate_factor(Schedule schedule, std::uint64_t step, std::uint64_t total);

}  // namespace apiq::optim
