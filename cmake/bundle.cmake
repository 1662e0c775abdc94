# The portable tarball (preset "bundle", scripts/bundle): programs, benchmarks and kernel tests with every shared library they need, to be
# unpacked anywhere on a Linux with the same or a newer C library and nothing else installed but an OpenCL driver.
#   bin/ tests/ perf/   programs, one folder below the root so that one run path serves all
#   lib/                libapiq, the ICD loader, and what other systems have in other versions or not at all
#   lib/fallback/       what OpenCL drivers use too: the system's own copy is preferred, since a driver may need a newer one
# Included twice: before any target (run paths), and at the end with APIQ_BUNDLE_INSTALL set (what is installed).
if(NOT APIQ_BUNDLE_INSTALL)
  set(CMAKE_INSTALL_LIBDIR lib)
  # DT_RPATH instead of DT_RUNPATH: it also serves what the libraries themselves need.
  add_link_options(-Wl,--disable-new-dtags)
  set(APIQ_SYSTEM_LIBRARIES "/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE}:/lib/${CMAKE_LIBRARY_ARCHITECTURE}:/usr/lib64:/lib64:/usr/lib")
  set(APIQ_PROGRAM_RPATH "$ORIGIN/../lib:${APIQ_SYSTEM_LIBRARIES}:$ORIGIN/../lib/fallback")
  set(APIQ_LIBRARY_RPATH "$ORIGIN:${APIQ_SYSTEM_LIBRARIES}:$ORIGIN/fallback")
  return()
endif()

# The executables of a folder of this project that is part of this build.
function(apiq_programs_of folder variable)
  set(found)
  get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(type ${target} TYPE)
    if(type STREQUAL EXECUTABLE)
      list(APPEND found ${target})
    endif()
  endforeach()
  set(${variable} ${found} PARENT_SCOPE)
endfunction()

apiq_programs_of(apps programs)
if(APIQ_BUILD_TESTS)
  # Those that need a device: what a new one is tried with.
  foreach(folder IN ITEMS tensor runtime ops model quant calib eval generate e2e)
    list(APPEND programs test_${folder})
    set_target_properties(test_${folder} PROPERTIES INSTALL_RPATH "${APIQ_PROGRAM_RPATH}")
    install(TARGETS test_${folder} RUNTIME DESTINATION tests)
  endforeach()
endif()
if(APIQ_BUILD_PERF)
  apiq_programs_of(perf benchmarks)
  list(APPEND programs ${benchmarks})
  set_target_properties(${benchmarks} PROPERTIES INSTALL_RPATH "${APIQ_PROGRAM_RPATH}")
  install(TARGETS ${benchmarks} RUNTIME DESTINATION perf)
  install(DIRECTORY perf/ DESTINATION perf USE_SOURCE_PERMISSIONS
    PATTERN "*.cpp" EXCLUDE PATTERN "*.hpp" EXCLUDE PATTERN "CMakeLists.txt" EXCLUDE PATTERN "results" EXCLUDE PATTERN "__pycache__" EXCLUDE)
endif()
install(PROGRAMS tests/e2e/make_large_model DESTINATION tests)  # for perf/gpu_session
install(DIRECTORY data/novels-6m DESTINATION data)
install(FILES LICENSE README.md DESTINATION .)
install(FILES scripts/results-table.json DESTINATION scripts)
install(DIRECTORY docs DESTINATION share/doc/apiq-cl)

set(files)
foreach(target IN LISTS programs)
  list(APPEND files "$<TARGET_FILE:${target}>")
endforeach()
install(CODE "set(files \"${files}\")\nset(library \"$<TARGET_FILE:apiq>\")")
install(SCRIPT cmake/bundle_libraries.cmake)

set(CPACK_PACKAGE_NAME apiq-cl)
set(CPACK_PACKAGE_VENDOR apiq-cl)
set(CPACK_GENERATOR TXZ)
set(CPACK_PACKAGE_FILE_NAME apiq-cl-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)
include(CPack)
