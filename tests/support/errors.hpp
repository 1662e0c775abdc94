// What an error says, for tests that check both its class and its text.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "apiq/error.hpp"

namespace apiq::test {

/// The text of the E that action throws; fails the test if it throws nothing or something else.
template <typename E, typename Action>
std::string error_text(Action&& action) {
  try {
    action();
  } catch (const E& error) {
    return error.what();
  } catch (const std::exception& error) {
    ADD_FAILURE() << "another kind of error: " << error.what();
    return {};
  }
  ADD_FAILURE() << "nothing was thrown";
  return {};
}

}  // namespace apiq::test
