# Warnings (errors) and, on request, sanitizers for our own code; dependencies' headers come in as system headers.
add_library(apiq_warnings INTERFACE)
target_compile_options(apiq_warnings INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # g++ 12 reports these inside its own standard library at -O2 (GCC bugs 105329, 105562).
  target_compile_options(apiq_warnings INTERFACE -Wno-restrict -Wno-maybe-uninitialized)
endif()
if(APIQ_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer)
  add_link_options(-fsanitize=address,undefined)
endif()
