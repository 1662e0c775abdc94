# Writes the commit into a source file at build time (only when it changed), so --version and results name what ran.
if(CMAKE_SCRIPT_MODE_FILE)
  execute_process(COMMAND git rev-parse --short=12 HEAD WORKING_DIRECTORY ${ROOT} OUTPUT_VARIABLE commit
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(commit unknown)
  else()
    execute_process(COMMAND git status --porcelain --untracked-files=no WORKING_DIRECTORY ${ROOT} OUTPUT_VARIABLE dirty)
    if(dirty)
      string(APPEND commit "+")
    endif()
  endif()
  file(CONFIGURE OUTPUT ${OUTPUT} CONTENT "#include \"apiq/version.hpp\"
namespace apiq {
const char* version() { return \"${VERSION}\"; }
const char* commit() { return \"${commit}\"; }
}  // namespace apiq
")
  return()
endif()

function(apiq_version_source target)
  set(output ${PROJECT_BINARY_DIR}/generated/version.cpp)
  add_custom_target(${target}_version ALL BYPRODUCTS ${output}
    COMMAND ${CMAKE_COMMAND} -DROOT=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION} -DOUTPUT=${output} -P ${PROJECT_SOURCE_DIR}/cmake/version.cmake
    VERBATIM)
  target_sources(${target} PRIVATE ${output})
  add_dependencies(${target} ${target}_version)
endfunction()
